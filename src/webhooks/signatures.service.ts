import { createHmac, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { Webhook, WebhookVerificationError } from 'svix';
import { WEBHOOK_SECRETS } from '../clerk/index.ts';
import { Failures, Problem } from '../http/index.ts';
import type { SignedHeaders } from './signed-headers.ts';

const PREFIX = 'whsec_';
const MAX_FAILURES = 20;

/** Whether a delivery is from who knows one of our secrets. */
@Injectable()
export class Signatures {
  readonly #logger = new Logger(Signatures.name);
  readonly #secrets: { key: Buffer; webhook: Webhook }[];
  readonly #failures = new Failures(MAX_FAILURES);

  constructor(@Inject(WEBHOOK_SECRETS) secrets: string[]) {
    this.#secrets = secrets.map((secret) => ({
      key: Buffer.from(secret.slice(PREFIX.length), 'base64'),
      webhook: new Webhook(secret),
    }));
    if (secrets.length === 0)
      this.#logger.warn(
        'CLERK_WEBHOOK_SIGNING_SECRET is not set: no events are taken, and a ban at Clerk takes effect when tokens expire',
      );
  }

  /** Throws the Problem that refuses the delivery; a good signature is never limited. */
  verify(bytes: Buffer, headers: SignedHeaders, address: string): void {
    const isSigned = this.#secrets.some(
      ({ key, webhook }) => hasSignature(key, bytes, headers) && isVerified(webhook, bytes, headers),
    );
    if (!isSigned) throw this.#refusal(address);
  }

  #refusal(address: string): Problem {
    const refusal = this.#failures.refusalOf(address);
    if (refusal) return refusal;
    this.#failures.add(address);
    this.#logger.warn(
      'a delivery with a wrong signature was refused; is CLERK_WEBHOOK_SIGNING_SECRET of this endpoint?',
    );
    return new Problem('webhook_signature_invalid');
  }
}

function isVerified(webhook: Webhook, bytes: Buffer, headers: SignedHeaders): boolean {
  try {
    webhook.verify(bytes, headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}

/** Before svix, which hashes in JavaScript: 17 ms of the event loop for a megabyte that nobody signed. */
function hasSignature(key: Buffer, bytes: Buffer, headers: SignedHeaders): boolean {
  const expected = createHmac('sha256', key)
    .update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`)
    .update(bytes)
    .digest();
  return headers['webhook-signature'].split(' ').some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ''), 'base64');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}
