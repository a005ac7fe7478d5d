import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Seals texts for a place that others may write to (AES-256-GCM, NIST SP 800-38D; the key by HKDF, RFC 5869). */
export class Seal {
  /** Tells whose it is, and nothing of the secret. */
  readonly id: string;
  readonly #key: Buffer;

  constructor(secret: string, purpose: string) {
    this.id = Buffer.from(hkdfSync('sha256', secret, '', `${purpose}, id`, 12)).toString('base64url');
    this.#key = Buffer.from(hkdfSync('sha256', secret, '', purpose, 32));
  }

  /** It opens under the same name alone. */
  close(text: string, name: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(Buffer.from(name));
    const sealed = [cipher.update(text, 'utf8'), cipher.final()];
    return Buffer.concat([nonce, ...sealed, cipher.getAuthTag()]).toString('base64url');
  }

  /** Undefined: it was not closed here, not under this name, or not left as it was. */
  open(closed: string, name: string): string | undefined {
    const bytes = Buffer.from(closed, 'base64url');
    if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
    const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
    } catch {
      // `final` throws for one reason: the text is not authentic
      return undefined;
    }
  }
}
