import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LocalOrganization, LocalUser } from './people.ts';
import { type SigningKey, signToken } from './signing-key.ts';

const TOKEN_LIFETIME_S = 60;
const NOT_BEFORE_S = 10;
const MAX_BODY_BYTES = 10_000;
/** Clerk's own bounds on a page. */
const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 500;

interface Options {
  /** Where it is reached, `http://127.0.0.1:PORT`; also the issuer of its tokens. */
  origin: string;
  key: SigningKey;
  users: LocalUser[];
  organizations: LocalOrganization[];
}

interface Answer {
  status: number;
  body: unknown;
}

/**
 * Stands in for Clerk where nothing is configured: the part of the Backend API that Gatehouse calls, and session tokens
 * for the people it knows. It signs anybody in, so it listens on the loopback alone and is in no production artefact.
 */
export class LocalClerk {
  readonly secretKey = `sk_test_${randomBytes(24).toString('base64url')}`;
  /** From the link that is printed at the start; opens what shows a token. */
  readonly pageSecret = randomBytes(24).toString('base64url');
  readonly publishableKey: string;
  readonly users: Map<string, LocalUser>;
  readonly #options: Options;
  readonly #host: string;

  constructor(options: Options) {
    this.#options = options;
    this.#host = new URL(options.origin).host;
    this.publishableKey = `pk_test_${Buffer.from(`${this.#host}$`).toString('base64')}`;
    this.users = new Map(options.users.map((user) => [user.id, user]));
  }

  /** A session token (version 2) as Clerk mints it for this user, with an organization active or none. */
  mint(userId: string, organizationId?: string): string {
    const now = Math.floor(Date.now() / 1000);
    const membership = this.#membership(userId, organizationId);
    return signToken(this.#options.key, {
      iss: this.#options.origin,
      sub: userId,
      sid: `sess_${createHash('sha256').update(`${this.pageSecret}${userId}`).digest('hex').slice(0, 27)}`,
      azp: this.#options.origin,
      iat: now,
      nbf: now - NOT_BEFORE_S,
      exp: now + TOKEN_LIFETIME_S,
      jti: randomBytes(10).toString('hex'),
      v: 2,
      fva: [0, -1],
      sts: 'active',
      pla: membership ? 'o:free' : 'u:free',
      fea: membership ? 'o:projects' : '',
      ...(membership && { o: membership }),
    });
  }

  /** Answers one request; for `createServer`. */
  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    this.#answer(request)
      .then(({ status, body }) => send(response, status, body))
      .catch((error: Error) => send(response, 500, clerkError('internal_clerk_error', error.message)));
  };

  async #answer(request: IncomingMessage): Promise<Answer> {
    const url = new URL(request.url ?? '/', this.#options.origin);
    if (request.headers.host !== this.#host) return { status: 421, body: clerkError('host_invalid', 'Unknown host') };
    if (url.pathname.startsWith('/v1/')) return this.#backendApi(request, url);
    if (url.pathname.startsWith('/local/')) return this.#local(request, url);
    return page(url.pathname) ?? notImplemented(request, url);
  }

  #backendApi(request: IncomingMessage, url: URL): Answer {
    if (!same(request.headers.authorization, `Bearer ${this.secretKey}`))
      return { status: 401, body: clerkError('clerk_key_invalid', 'The provided Clerk Secret Key is invalid.') };
    const [, , resource, id] = url.pathname.split('/');
    if (request.method !== 'GET') return notImplemented(request, url);
    if (resource === 'jwks') return { status: 200, body: { keys: [this.#options.key.jwk] } };
    if (resource !== 'users') return notImplemented(request, url);
    const found = this.#find(url.searchParams);
    if (id === undefined) return { status: 200, body: pageOf(found, url.searchParams) };
    if (id === 'count') return { status: 200, body: { object: 'total_count', total_count: found.length } };
    const user = this.users.get(decodeURIComponent(id));
    return user ? { status: 200, body: user } : { status: 404, body: clerkError('resource_not_found', 'not found') };
  }

  /** What signs somebody in: for the page, and for who was given the printed line. */
  async #local(request: IncomingMessage, url: URL): Promise<Answer> {
    const { origin } = request.headers;
    const isSameOrigin = origin === undefined || origin === this.#options.origin;
    if (!isSameOrigin || !same(request.headers['x-local-secret'], this.pageSecret))
      return { status: 403, body: clerkError('authorization_invalid', 'Use the link that the start printed') };
    if (request.method === 'GET' && url.pathname === '/local/people') return { status: 200, body: this.#people() };
    if (request.method !== 'POST' || url.pathname !== '/local/tokens') return notImplemented(request, url);
    const form = new URLSearchParams(await readBody(request));
    const [userId, organizationId] = [form.get('user_id') ?? '', form.get('organization_id') || undefined];
    const isKnown = this.users.has(userId) && (!organizationId || this.#membership(userId, organizationId));
    if (!isKnown) return { status: 404, body: clerkError('resource_not_found', 'No such user or membership') };
    return { status: 200, body: this.mint(userId, organizationId) };
  }

  #people() {
    return [...this.users.values()].map((user) => ({
      id: user.id,
      name: `${user.first_name} ${user.last_name}`,
      email: user.email_addresses[0]?.email_address,
      organizations: this.#options.organizations
        .filter(({ members }) => members[user.id])
        .map(({ id, name, members }) => ({ id, name, role: members[user.id] })),
    }));
  }

  /** The `o` claim: permissions as a bitmap over the features of the organization (version 2). */
  #membership(userId: string, organizationId: string | undefined) {
    const organization = this.#options.organizations.find(({ id }) => id === organizationId);
    const role = organization?.members[userId];
    if (!organization || !role) return undefined;
    return {
      id: organization.id,
      slg: organization.slug,
      rol: role,
      per: 'read,write',
      fpm: role === 'admin' ? '3' : '1',
    };
  }

  #find(query: URLSearchParams): LocalUser[] {
    const ids = [...query.getAll('user_id'), ...query.getAll('user_id[]')];
    const emails = [...query.getAll('email_address'), ...query.getAll('email_address[]')];
    return [...this.users.values()].filter(
      (user) =>
        (ids.length === 0 || ids.includes(user.id)) &&
        (emails.length === 0 || user.email_addresses.some(({ email_address: email }) => emails.includes(email))),
    );
  }
}

/** By creation, newest first, unless `order_by` says the oldest. */
function pageOf(users: LocalUser[], query: URLSearchParams): LocalUser[] {
  const limit = Math.min(Number(query.get('limit') ?? DEFAULT_LIMIT), MAX_LIMIT);
  const offset = Number(query.get('offset') ?? 0);
  const oldestFirst = users.toSorted((a, b) => a.created_at - b.created_at);
  const ordered = query.get('order_by') === '+created_at' ? oldestFirst : oldestFirst.toReversed();
  return ordered.slice(offset, offset + limit);
}

function page(path: string): Answer | undefined {
  const file = { '/': 'page.html', '/page.js': 'page.js' }[path];
  return file ? { status: 200, body: readFileSync(new URL(file, import.meta.url)) } : undefined;
}

function notImplemented({ method }: IncomingMessage, { pathname }: URL): Answer {
  return { status: 501, body: clerkError('not_implemented', `The local Clerk has no ${method} ${pathname}`) };
}

function clerkError(code: string, message: string) {
  return {
    errors: [{ code, message, long_message: message, meta: {} }],
    clerk_trace_id: randomBytes(16).toString('hex'),
  };
}

/** The SDK reads JSON only when the content type is exactly this, without a charset. */
function send(response: ServerResponse, status: number, body: unknown): void {
  const [type, content] =
    body instanceof Buffer
      ? [body.includes('<!doctype html>') ? 'text/html' : 'text/javascript', body]
      : typeof body === 'string'
        ? ['text/plain', body]
        : ['application/json', JSON.stringify(body)];
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'content-security-policy': "default-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  });
  response.end(content);
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > MAX_BODY_BYTES) throw new Error('The body is too large');
  }
  return body;
}

function same(given: string | string[] | undefined, expected: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return typeof given === 'string' && timingSafeEqual(digest(given), digest(expected));
}
