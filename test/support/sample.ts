import { randomBytes, randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Rule } from '../../src/auth/rule.ts';

type Schema = z.core.JSONSchema.JSONSchema;

/** Which properties of an object: those that it must have, or, where it must have none, all. */
export type Extent = 'required' | 'some';

/** Older than any rule allows; minutes. */
const STALE = 1_000_000;
const FRESH = 0;

const FORMATS: Record<string, (unique: string) => string> = {
  email: (unique) => `${unique}@example.com`,
  uuid: () => randomUUID(),
  uri: (unique) => `https://example.com/${unique}`,
  date: () => new Date().toISOString().slice(0, 10),
  'date-time': () => new Date().toISOString(),
};

/** A value that the schema takes: what it names itself, else one that fits its type; texts differ at each call. */
export function sample(schema: z.ZodType, extent: Extent = 'some'): unknown {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema;
  return valueOf(root, (name) => root.$defs?.[name] ?? {}, extent);
}

type Definitions = (name: string) => Schema;

function valueOf(schema: Schema, definitions: Definitions, extent: Extent): unknown {
  const named = [...(schema.examples ?? []), schema.example, schema.default, schema.const, ...(schema.enum ?? [])];
  const known = named.find((value) => value !== undefined);
  if (known !== undefined) return known;
  const next = (inner: Schema) => valueOf(inner, definitions, extent);
  if (schema.$ref) return next(definitions(schema.$ref.replace('#/$defs/', '')));
  const [branch] = schema.anyOf ?? schema.oneOf ?? [];
  if (branch) return next(branch);
  switch (String([schema.type].flat()[0])) {
    case 'object':
      return objectOf(schema, extent, next);
    case 'array':
      return arrayOf(schema, next);
    case 'string':
      return textOf(schema);
    case 'integer':
    case 'number':
      return Math.max(schema.minimum ?? 1, Number(schema.exclusiveMinimum ?? 0) + 1);
    case 'boolean':
      return true;
    default:
      return schema.allOf ? Object.assign({}, ...schema.allOf.map((part) => next(part))) : null;
  }
}

function objectOf({ properties = {}, required = [] }: Schema, extent: Extent, next: (inner: Schema) => unknown) {
  const isChosen = (name: string) => required.includes(name) || (extent === 'some' && required.length === 0);
  const chosen = Object.entries(properties).filter(([name]) => isChosen(name));
  return Object.fromEntries(chosen.map(([name, property]) => [name, next(property as Schema)]));
}

function arrayOf({ prefixItems = [], items = {}, minItems = 1 }: Schema, next: (inner: Schema) => unknown): unknown[] {
  const others = Array.from({ length: Math.max(0, minItems - prefixItems.length) }, () => items);
  return [...prefixItems, ...others].map((item) => next(item as Schema));
}

function textOf({ format = '', pattern = '', minLength = 0, maxLength }: Schema): string {
  const unique = `sample-${randomBytes(6).toString('hex')}`;
  const text = FORMATS[format]?.(unique) ?? unique.padEnd(minLength, 'x').slice(-(maxLength ?? Infinity));
  if (new RegExp(pattern).test(text)) return text;
  throw new Error(`no text made up here is like ${pattern}: give its schema .meta({ examples: […] })`);
}

/**
 * What a session token says that meets these rules and not one more: the proof of who the user is is old, somebody acts as
 * the user, and the role is one that no route asks for.
 */
export function claimsMeeting(rules: readonly Rule[], { id, slug }: { id: string; slug: string | null }) {
  const has = (refusal: Rule['refusal']) => rules.some((rule) => rule.refusal === refusal);
  const all = (key: string) => rules.flatMap((rule) => (rule as Record<string, unknown>)[key] ?? []) as string[];
  const permissions = all('permission').map((permission) => permission.replace('org:', ''));
  const [of, to] = [0, 1].map((index) => [...new Set(permissions.map((key) => key.split(':')[index] ?? ''))]);
  const features = new Set([...(of ?? []).map((feature) => `o:${feature}`), ...all('feature').map(scoped)]);
  const maskOf = (feature: string) =>
    (to ?? []).reduce((bits, action, bit) => bits + (permissions.includes(`${feature}:${action}`) ? 1 << bit : 0), 0);
  const masks = [...features].filter((feature) => feature.startsWith('o:')).map((feature) => maskOf(feature.slice(2)));
  const rol = all('role')[0]?.replace('org:', '') ?? 'of_no_rule';
  const age = has('reverification_required') ? FRESH : STALE;
  return {
    fea: [...features].join(','),
    pla: all('plan').map(scoped).join(','),
    fva: [age, age],
    act: has('impersonation_forbidden') ? undefined : { sub: 'user_somebody_else' },
    o: has('tenant_required')
      ? { id, slg: slug ?? undefined, rol, per: to?.join(','), fpm: masks.join(',') }
      : undefined,
  };
}

/** `o:export` of `org:export`; one that may be of either is the user's. */
function scoped(slug: string): string {
  const [name, scope = 'user'] = slug.split(':').toReversed();
  return `${scope[0]}:${name}`;
}

/** Whether who has lost the one cannot have the other. */
export function goesWith(rule: Rule, lost: Rule): boolean {
  const isSameKind = rule.refusal === lost.refusal;
  if (lost.refusal === 'tenant_required')
    return isSameKind || ['role_required', 'permission_required'].includes(rule.refusal);
  if (lost.refusal === 'feature_required') return featureOf(rule) === featureOf(lost);
  return lost.refusal === 'reverification_required' ? isSameKind : isDeepStrictEqual(rule, lost);
}

function featureOf(rule: Rule): string | undefined {
  if (rule.refusal === 'permission_required') return rule.permission.split(':')[1];
  return rule.refusal === 'feature_required' ? rule.feature.split(':').at(-1) : undefined;
}
