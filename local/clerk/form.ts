import { unprocessable } from './answers.ts';

export type Form = Record<string, unknown>;

interface Values {
  text: string;
  name: string;
  /** A name of at least three characters. */
  title: string;
  /** May be empty. */
  remark: string;
  texts: string[];
  slug: string;
  email: string;
  switch: boolean;
  metadata: object;
  count: number;
  days: number;
  seconds: number;
  /** Of RFC 3339; becomes milliseconds. */
  time: number;
}

type Kind = keyof Values;
type Kinds = Record<string, Kind>;
type Said<K extends Kinds, Required extends keyof K> = { [Name in Required]: Values[K[Name]] } & {
  [Name in Exclude<keyof K, Required>]?: Values[K[Name]];
};

const MAX_NAME_LENGTH = 256;
const MAX_REMARK_LENGTH = 255;
const MAX_DAYS = 365;

const IS: Record<Kind, (value: unknown) => boolean> = {
  text: isText,
  name: (value) => isText(value) && value.length <= MAX_NAME_LENGTH,
  title: (value) => isText(value) && /^\S.+\S$/.test(value),
  remark: (value) => typeof value === 'string' && value.length <= MAX_REMARK_LENGTH,
  texts: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  slug: (value) => isText(value) && /^[a-z0-9-]+$/.test(value),
  email: (value) => isText(value) && /^[^@\s]+@[^@\s]+$/.test(value),
  switch: (value) => typeof value === 'boolean',
  metadata: (value) => typeof value === 'object' && !Array.isArray(value),
  count: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  days: (value) => Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= MAX_DAYS,
  seconds: (value) => Number.isFinite(value) && Number(value) > 0,
  time: (value) => isText(value) && !Number.isNaN(Date.parse(value)),
};

/** What a body says under these names; null says nothing. Throws a Refusal. */
export function formOf<const K extends Kinds, Required extends keyof K & string = never>(
  body: Form,
  kinds: K,
  required: Required[] = [],
): Said<K, Required> {
  const said = Object.entries(body).filter(([, value]) => value !== null);
  for (const name of required)
    if (!body[name]) throw unprocessable('form_param_missing', name, `${name} must be included.`);
  return Object.fromEntries(said.map(([name, value]) => [name, valueOf(kinds, name, value)])) as Said<K, Required>;
}

function valueOf(kinds: Kinds, name: string, value: unknown): unknown {
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (!kind) throw unprocessable('form_param_unknown', name, `${name} is not a valid parameter`);
  if (!IS[kind](value)) throw unprocessable('form_param_format_invalid', name, `${name} has the wrong format`);
  return kind === 'time' ? Date.parse(value as string) : value;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
