import type { IncomingHttpHeaders } from 'node:http';
import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { WEBHOOK_SECRETS } from '../clerk/index.ts';
import { Problem } from '../http/index.ts';

const TOLERANCE_S = 5 * 60;
/** No dot: the signature is over `id.timestamp.body`, which must be readable in one way only. */
const ID = /^[\w-]{1,100}$/;
const TIMESTAMP = /^\d{1,12}$/;
const SIGNATURES = /^[\x21-\x7e ]{1,1000}$/;

/** Standard Webhooks, as svix verifies it (https://docs.svix.com/receiving/verifying-payloads/how-manual). */
export type SignedHeaders = { 'webhook-id': string; 'webhook-timestamp': string; 'webhook-signature': string };

/** Under either name; undefined when one is missing or malformed, or the attempt is not of these minutes. */
export function signedHeaders(headers: IncomingHttpHeaders, now = Date.now()): SignedHeaders | undefined {
  const prefix = headers['svix-id'] === undefined ? 'webhook' : 'svix';
  const [id, timestamp, signature] = ['id', 'timestamp', 'signature'].map((name) => headers[`${prefix}-${name}`]);
  if (!isLike(id, ID) || !isLike(timestamp, TIMESTAMP) || !isLike(signature, SIGNATURES)) return undefined;
  if (Math.abs(Math.floor(now / 1000) - Number(timestamp)) > TOLERANCE_S) return undefined;
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
}

/** Refuses what cannot be a delivery before a byte of its body is read. */
@Injectable()
export class SignedHeadersGuard implements CanActivate {
  constructor(@Inject(WEBHOOK_SECRETS) private readonly secrets: string[]) {}

  canActivate(context: ExecutionContext): boolean {
    if (this.secrets.length === 0) throw new Problem('unavailable');
    const { headers } = context.switchToHttp().getRequest<Request>();
    if (!signedHeaders(headers)) throw new Problem('webhook_signature_invalid');
    if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw new Problem('unsupported_media_type');
    return true;
  }
}

function isLike(value: string | string[] | undefined, form: RegExp): value is string {
  return typeof value === 'string' && form.test(value);
}
