import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { writeSecret } from '../paths.ts';

/** As Clerk shows it: `whsec_` and base64 of 24 bytes. */
export function createWebhookSecret(): string {
  return `whsec_${randomBytes(24).toString('base64')}`;
}

/** The secret kept in `file`: what is sent before a restart is accepted after it. */
export function keptWebhookSecret(file: string): string {
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const secret = createWebhookSecret();
  writeSecret(file, secret);
  return secret;
}
