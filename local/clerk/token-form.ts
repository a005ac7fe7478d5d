import { notImplemented, Refusal, unprocessable } from './answers.ts';
import type { NewApiKey } from './api-keys.ts';
import { type Form, formOf } from './form.ts';
import type { NewMachineToken } from './m2m-tokens.ts';

const OF_ANY_TOKEN = { claims: 'metadata', seconds_until_expiration: 'seconds' } as const;
const OF_API_KEY = {
  name: 'title',
  subject: 'text',
  description: 'remark',
  scopes: 'texts',
  created_by: 'text',
} as const;

export function newApiKey(form: Form): NewApiKey {
  return formOf(form, { ...OF_ANY_TOKEN, ...OF_API_KEY }, ['name', 'subject']);
}

/** Of a line to paste: scopes by comma. */
export function askedKey(form: URLSearchParams): NewApiKey {
  const scopes = form.get('scopes')?.split(',').filter(Boolean) ?? [];
  return newApiKey({ name: 'A script', ...Object.fromEntries(form), scopes });
}

export function newMachineToken(form: Form): NewMachineToken {
  const { token_format: format = 'opaque', ...facts } = formOf(form, { ...OF_ANY_TOKEN, token_format: 'text' });
  if (format !== 'opaque' && format !== 'jwt')
    throw unprocessable('form_param_value_invalid', 'token_format', 'must be opaque or jwt');
  return { ...facts, token_format: format };
}

export function revocationReason(form: Form): string | null {
  return formOf(form, { revocation_reason: 'remark' }).revocation_reason ?? null;
}

/** What is to be verified; a JWT would seem unknown where Clerk knows it, for it is not kept. */
export function secretIn(form: Form, name: string): string {
  const secret = form[name];
  if (typeof secret !== 'string' || !secret) throw new Refusal(400, 'bad_request', `${name} must be included.`);
  if (secret.split('.').length === 3) throw notImplemented('verification of JWTs');
  return secret;
}
