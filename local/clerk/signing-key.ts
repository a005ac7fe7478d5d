import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { writeSecret } from '../paths.ts';

/** A key that signs session tokens as Clerk does: RS256, named by a `kid` that is derived from it. */
export interface SigningKey {
  kid: string;
  privateKey: KeyObject;
  publicKeyPem: string;
  jwk: Record<string, unknown>;
}

export function createSigningKey(): SigningKey {
  return signingKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
}

/** The key kept in `file`: a token, and a cache of keys, outlive a restart. */
export function keptSigningKey(file: string): SigningKey {
  if (existsSync(file)) return signingKey(createPrivateKey(readFileSync(file)));
  const key = createSigningKey();
  writeSecret(file, key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  return key;
}

/** A compact JWS of these very claims, however wrong they are; `header` is laid over the usual one. */
export function signToken(key: SigningKey, claims: object, header: object = {}): string {
  const parts = [{ alg: 'RS256', typ: 'JWT', cat: 'cl_B7d4PD111AAA', kid: key.kid, ...header }, claims];
  const content = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${content}.${sign('sha256', Buffer.from(content), key.privateKey).toString('base64url')}`;
}

function signingKey(privateKey: KeyObject): SigningKey {
  const publicKey = createPublicKey(privateKey);
  const publicKeyPem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const kid = `ins_${createHash('sha256').update(publicKeyPem).digest('hex').slice(0, 27)}`;
  return {
    kid,
    privateKey,
    publicKeyPem,
    jwk: { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' },
  };
}
