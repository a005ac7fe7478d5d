import { unprocessable } from './answers.ts';
import type { UserFacts } from './directory.ts';
import type { Form } from './form.ts';

const TEXTS = ['external_id', 'first_name', 'last_name', 'username', 'locale'];
const SWITCHES = ['delete_self_enabled', 'create_organization_enabled'];
const UPDATABLE = [...TEXTS, ...SWITCHES, 'primary_email_address_id'];
const METADATA = ['public_metadata', 'private_metadata', 'unsafe_metadata'];
const CREATABLE = [...TEXTS, ...SWITCHES, ...METADATA, 'banned', 'locked'];
/** What nobody here asks for: a password, or that checks be skipped. */
const WITHOUT_EFFECT = /^(password|skip_)|^notify_|^sign_out_of_other_sessions$/;

/** What `POST /v1/users` may say. */
export function newUser({ email_address: emails = [], created_at: createdAt, ...form }: Form): UserFacts {
  if (!Array.isArray(emails) || !emails.every((email) => typeof email === 'string' && email.includes('@')))
    throw unprocessable('form_param_format_invalid', 'email_address', 'must be a list of email addresses');
  const facts = factsOf(form, CREATABLE);
  if (emails.length === 0 && !facts.username && !form.skip_user_requirement)
    throw unprocessable('form_data_missing', 'email_address', 'An email address or a username is required');
  return { ...facts, emails: emails as string[], ...(createdAt !== undefined && timeOf(createdAt)) };
}

/** What `PATCH /v1/users/{id}` may say: since 2026-05-12 no metadata. */
export function changedUser(form: Form): UserFacts {
  return factsOf(form, UPDATABLE);
}

function factsOf(form: Form, names: string[]): UserFacts {
  const entries = Object.entries(form).filter(([name]) => !WITHOUT_EFFECT.test(name));
  for (const [name, value] of entries) {
    if (!names.includes(name)) throw unprocessable('form_param_unknown', name, `${name} is not a valid parameter`);
    if (!isValid(name, value)) throw unprocessable('form_param_format_invalid', name, `${name} has the wrong type`);
  }
  return Object.fromEntries(entries.map(([name, value]) => [name, value === '' ? null : value]));
}

function isValid(name: string, value: unknown): boolean {
  if (METADATA.includes(name)) return typeof value === 'object' && value !== null;
  const isText = TEXTS.includes(name) || name === 'primary_email_address_id';
  return isText ? value === null || typeof value === 'string' : typeof value === 'boolean';
}

function timeOf(value: unknown): Pick<UserFacts, 'created_at' | 'updated_at'> {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) throw unprocessable('form_param_format_invalid', 'created_at', 'must be a time of RFC 3339');
  return { created_at: at };
}
