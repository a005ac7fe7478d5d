import { describe } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';

export type Schema = {
  $ref?: string;
  allOf?: Schema[];
  oneOf?: Schema[];
  type?: string;
  nullable?: boolean;
  enum?: unknown[];
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean;
  items?: Schema;
};

/** What is wrong with the value: types, enumerations, and names that are missing or unknown. */
export function complaints(schemas: Record<string, Schema>, schema: Schema, value: unknown, at = '$'): string[] {
  const inner = (part: Schema, child = value, path = at) => complaints(schemas, part, child, path);
  if (schema.$ref) return inner({ ...schemas[schema.$ref.split('/').at(-1) ?? ''], ...schema, $ref: undefined });
  if (value === null) return schema.nullable || schema.oneOf || schema.allOf ? [] : [`${at} is null`];
  if (schema.oneOf && !schema.oneOf.some((part) => inner(part).length === 0)) return [`${at} matches none`];
  const wrong = (schema.allOf ?? []).flatMap((part) => inner({ ...part, additionalProperties: true }));
  if (schema.enum && !schema.enum.includes(value)) wrong.push(`${at} is ${JSON.stringify(value)}`);
  const type = Array.isArray(value) ? 'array' : typeof value === 'number' ? 'integer' : typeof value;
  if (schema.type && schema.type !== type) return [...wrong, `${at} is ${type}, not ${schema.type}`];
  if (Array.isArray(value))
    return [...wrong, ...value.flatMap((item, index) => inner(schema.items ?? {}, item, `${at}[${index}]`))];
  if (typeof value !== 'object') return wrong;
  const fields = value as Record<string, unknown>;
  const missing = (schema.required ?? []).filter((name) => !(name in fields)).map((name) => `${at}.${name} is missing`);
  const unknown = Object.keys(fields).filter(
    (name) => schema.additionalProperties === false && !schema.properties?.[name],
  );
  const children = Object.entries(schema.properties ?? {}).filter(([name]) => name in fields);
  return [
    ...wrong,
    ...missing,
    ...unknown.map((name) => `${at}.${name} is unknown`),
    ...children.flatMap(([name, part]) => inner(part, fields[name] as never, `${at}.${name}`)),
  ];
}

export async function schemasIn(file: string): Promise<Record<string, Schema>> {
  const validator = new Validator();
  await validator.validate(`${process.env.CLERK_OPENAPI}/${file}`);
  return (validator.specification as { components: { schemas: Record<string, Schema> } }).components.schemas;
}

/** The schema of what an event of that type carries, in the file of the webhooks. */
export function payloadOf(type: string): Schema {
  const [subject = '', what] = type.split('.');
  if (what === 'deleted' && !subject.endsWith('Membership')) return { $ref: 'DeletedObject' };
  if (subject === 'session') return { $ref: 'SessionEventPayload' };
  if (subject === 'subscriptionItem') return { $ref: 'BillingSubscriptionItemEventPayload' };
  if (subject === 'subscription' || subject === 'paymentAttempt')
    return { $ref: `${subject.charAt(0).toUpperCase()}${subject.slice(1)}EventPayload` };
  if (type === 'organizationInvitation.accepted') return { $ref: 'OrganizationInvitationAcceptedPayload' };
  const schema = { $ref: subject.charAt(0).toUpperCase() + subject.slice(1) };
  return subject === 'organizationInvitation' ? { allOf: [schema] } : schema;
}

/** Only where the folder CLERK_OPENAPI has Clerk's OpenAPI files. */
export const whenPublished = process.env.CLERK_OPENAPI ? describe : describe.skip;
