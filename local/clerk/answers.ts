import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

const MAX_BODY_BYTES = 200_000;

export interface Answer {
  status: number;
  body: unknown;
}

/** A request that Clerk would refuse, with its status and code. */
export class Refusal extends Error {
  readonly status: number;
  readonly body: object;

  constructor(status: number, code: string, message: string, meta: object = {}) {
    super(message);
    this.status = status;
    this.body = {
      errors: [{ code, message, long_message: message, meta }],
      clerk_trace_id: randomBytes(16).toString('hex'),
    };
  }
}

export const notFound = (message = 'not found', meta?: object) => new Refusal(404, 'resource_not_found', message, meta);

export const unprocessable = (code: string, parameter: string, message: string) =>
  new Refusal(422, code, message, { param_name: parameter });

export const keyInvalid = (message = 'The provided Clerk Secret Key is invalid.') =>
  new Refusal(401, 'clerk_key_invalid', message);

export const notImplemented = (what: string) => new Refusal(501, 'not_implemented', `The local Clerk has no ${what}`);

export const ok = (body: unknown): Answer => ({ status: 200, body });

/** What the work answers, or its refusal. */
export async function answerOf(work: () => Answer | Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    return error instanceof Refusal ? error : new Refusal(500, 'internal_clerk_error', (error as Error).message);
  }
}

/** The SDK reads JSON only when the content type is exactly this, without a charset. */
export function send(response: ServerResponse, { status, body }: Answer): void {
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

/** An empty body is an empty object. */
export async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const body = await readBody(request);
  const value = parsed(body || '{}');
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal(400, 'request_body_invalid', 'The body must be a JSON object');
  return value as Record<string, unknown>;
}

export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Refusal(413, 'request_body_too_large', 'The body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

export function same(given: string | string[] | undefined, expected: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return typeof given === 'string' && timingSafeEqual(digest(given), digest(expected));
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
