import { createPublicKey, type KeyObject } from 'node:crypto';

const MIN_RSA_BITS = 2048;
const PEM = /^-----BEGIN (RSA )?PUBLIC KEY-----([^-]*)-----END (?:RSA )?PUBLIC KEY-----$/;

/**
 * Reads a public RSA key in whatever way it is kept: PEM in lines, on one line, indented, with line breaks written `\n`, its
 * content alone, or all of it in base64. Undefined: it is none, or too weak. Never throws what would repeat the key.
 */
export function rsaPublicKey(value: string): KeyObject | undefined {
  const text = value.replaceAll(/\\+[rn]/g, '\n').trim();
  const decoded = text.includes('-----') ? text : Buffer.from(text, 'base64').toString('latin1');
  const [, isPkcs1, content = text] = PEM.exec(decoded.trim()) ?? [];
  try {
    const der = Buffer.from(base64In(content), 'base64');
    const key = createPublicKey({ key: der, format: 'der', type: isPkcs1 ? 'pkcs1' : 'spki' });
    if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS) return key;
  } catch {
    // told by who asked
  }
  return undefined;
}

/** The decoder would skip whatever it does not know. */
function base64In(content: string): string {
  const bare = content.replaceAll(/\s/g, '');
  return /^[\w+/-]+={0,2}$/.test(bare) ? bare : '';
}
