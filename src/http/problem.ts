/** Every refusal a client may meet: its stable code, status, title, and the sentence at /problems/{code}. */
export const PROBLEMS = {
  invalid_input: [400, 'Invalid input', 'What was sent does not have the form that the route takes; see errors.'],
  invalid_cursor: [400, 'Invalid cursor', 'The cursor is not one that this list gave; begin without one.'],
  webhook_signature_invalid: [
    400,
    'Webhook signature invalid',
    'The signature does not fit the bytes, or is not fresh.',
  ],
  token_missing: [401, 'Token missing', 'Send a token from Clerk as Authorization: Bearer.'],
  token_invalid: [401, 'Token invalid', 'The token is not one that this service accepts.'],
  token_expired: [401, 'Token expired', 'Get a fresh token from Clerk and try again.'],
  token_not_active: [401, 'Token not active yet', 'The token is from the future: check the clocks.'],
  token_revoked: [
    401,
    'Token revoked',
    'Access was withdrawn. Get a fresh token and try once more; for an API key make a new one.',
  ],
  session_pending: [401, 'Session pending', 'The session has a task to finish in Clerk before it may call.'],
  quota_exceeded: [
    402,
    'Quota exceeded',
    'What the plan allows is used up: see limit and used. With 429 it is worth trying again after resetsAt.',
  ],
  token_type_not_accepted: [403, 'Token type not accepted', 'The route does not take tokens of this kind.'],
  tenant_required: [403, 'Tenant required', 'The route works in a tenant: choose one in Clerk and get a fresh token.'],
  role_required: [403, 'Role required', 'The route needs a role that you do not have in this tenant.'],
  permission_required: [403, 'Permission required', 'The route needs a permission that your role does not have.'],
  feature_required: [403, 'Feature required', 'The route needs a feature that your plan does not include.'],
  plan_required: [403, 'Plan required', 'The route needs a plan that you are not on.'],
  scope_required: [403, 'Scope required', 'The route needs a scope that the key or token does not have.'],
  impersonation_forbidden: [403, 'Impersonation forbidden', 'The route is closed to who acts as somebody else.'],
  reverification_required: [
    403,
    'Reverification required',
    'The route needs a fresh proof of who you are: verify with Clerk again and repeat the request.',
  ],
  not_found: [404, 'Not found', 'There is nothing here, or it is not yours.'],
  method_not_allowed: [405, 'Method not allowed', 'The path exists; see Allow for the methods it takes.'],
  not_acceptable: [406, 'Not acceptable', 'Answers are JSON; allow application/json in Accept.'],
  conflict: [409, 'Conflict', 'The request does not fit what is there now; look at it again.'],
  payload_too_large: [413, 'Payload too large', 'The body is larger than the route takes.'],
  unsupported_media_type: [415, 'Unsupported media type', 'Send JSON in UTF-8 as application/json, not encoded.'],
  idempotency_key_reused: [422, 'Idempotency key reused', 'The key stands for something else already; take a new one.'],
  rate_limited: [429, 'Rate limited', 'Too many requests; try again after Retry-After.'],
  internal: [500, 'Internal error', 'Something went wrong here; the request id helps to find it.'],
  unavailable: [503, 'Unavailable', 'Something this service needs is away; try again after Retry-After.'],
} as const satisfies Record<string, readonly [number, string, string]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** One thing wrong with the input; `pointer` is a JSON Pointer (RFC 6901) into the body or the query. */
export interface InputError {
  pointer: string;
  detail: string;
}

interface ProblemExtras {
  /** Instead of the usual one of its code. */
  status?: number;
  detail?: string;
  headers?: Record<string, string>;
  errors?: InputError[];
  /** Further members at the top level of the document. */
  members?: Record<string, unknown>;
  /** Facts for the log, of which the client learns nothing: no secret, no personal data. */
  logged?: Record<string, unknown>;
  cause?: unknown;
}

const RETRY_AFTER_S = '5';

/** A refusal, thrown anywhere, answered as application/problem+json (RFC 9457). `detail` never repeats input. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly headers: Record<string, string>;
  readonly errors: InputError[] | undefined;
  readonly members: Record<string, unknown> | undefined;
  readonly logged: Record<string, unknown> | undefined;

  constructor(
    readonly code: ProblemCode,
    extras: ProblemExtras = {},
  ) {
    const [usual, title, meaning] = PROBLEMS[code];
    const status = extras.status ?? usual;
    super(extras.detail ?? meaning, { cause: extras.cause });
    this.status = status;
    this.title = title;
    this.detail = extras.detail ?? meaning;
    this.errors = extras.errors;
    this.members = extras.members;
    this.logged = extras.logged;
    this.headers = { ...defaultHeaders(code, status), ...extras.headers };
  }
}

/** `rate_limited`, and when it is worth trying again. */
export function rateLimited(waitMs: number, cause?: unknown): Problem {
  return new Problem('rate_limited', { headers: retryAfter(waitMs), cause });
}

/** In whole seconds (RFC 9110, section 10.2.3). */
export function retryAfter(waitMs: number): Record<string, string> {
  return { 'retry-after': String(Math.ceil(waitMs / 1000)) };
}

/** RFC 6750, section 3: a request without a token gets the bare challenge, a bad token its error. */
function defaultHeaders(code: ProblemCode, status: number): Record<string, string> {
  if (code === 'token_missing') return { 'www-authenticate': 'Bearer' };
  if (status === 401) return { 'www-authenticate': `Bearer error="invalid_token", error_description="${code}"` };
  if (status === 503) return { 'retry-after': RETRY_AFTER_S };
  return {};
}
