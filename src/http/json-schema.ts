import { createHash } from 'node:crypto';
import type { SwaggerDocumentOptions } from '@nestjs/swagger';
import { z } from 'zod';

const COMPONENTS = '#/components/schemas/';
const ROOT = '#';
const LOCAL = '#/$defs/';
/** Zod's own names, of schemas that refer to themselves and have no id; others may have them too. */
const UNNAMED = '__schema';
/** Marks what is taken, until it is known whether something of that id is given, too. */
const TAKEN = '.Taken';
/** On a schema that stands where a reference to that component belongs. */
const REFERENCE = 'x-component';
const NUMBERED = /__schema\d+/g;

type Converter = NonNullable<SwaggerDocumentOptions['standardSchemaConverter']>;
type JsonSchema = Record<string, unknown>;

/**
 * Converts zod schemas to JSON Schema 2020-12, as OpenAPI 3.1 has it; Nest by itself asks for the dialect of OpenAPI 3.0. A
 * part with an id (`.meta({ id: 'Money' })`) and one that refers to itself become components. What JSON Schema cannot express,
 * as the result of a transformation, is anything. One converter for each document: throws when two of its schemas have one id.
 */
export function jsonSchemaConverter(): Converter {
  const known = new Map<string, string>();
  return (schema, { schemaType: io }) => {
    if (!(schema instanceof z.ZodType)) return undefined;
    const { whole, components } = convert(schema, io);
    for (const [name, component] of Object.entries(components)) {
      const text = JSON.stringify(component);
      if ((known.get(name) ?? text) !== text)
        throw new Error(`Two schemas of the API have the id ${name.replace(TAKEN, '')}`);
      known.set(name, text);
    }
    // Nest reads the parameters of a query off its schema, which a reference would hide
    const referred = io === 'input' ? components[String(whole.$ref).slice(COMPONENTS.length)] : undefined;
    return { schema: referred ? { ...referred, [REFERENCE]: whole.$ref } : whole, components };
  };
}

/** The document with its final names: what is taken has its id, or `…Input` where something of that id is given, too. */
export function nameComponents<Document extends { components?: { schemas?: object } }>(document: Document): Document {
  const schemas = document.components?.schemas ?? {};
  const nameOf = (name: string) => {
    if (!name.endsWith(TAKEN)) return name;
    const id = name.slice(0, -TAKEN.length);
    return id in schemas ? `${id}Input` : id;
  };
  const refer = (reference: string) =>
    reference.startsWith(COMPONENTS) ? `${COMPONENTS}${nameOf(reference.slice(COMPONENTS.length))}` : reference;
  const named = JSON.parse(JSON.stringify(document), (key, value: unknown) => {
    if (key === '$ref' && typeof value === 'string') return refer(value);
    const reference = (value as JsonSchema | null)?.[REFERENCE];
    return typeof reference === 'string' ? { $ref: refer(reference) } : value;
  }) as Document;
  const entries = Object.entries(named.components?.schemas ?? {}) as [string, object][];
  const renamed = Object.fromEntries(entries.map(([name, schema]) => [nameOf(name), schema]));
  return { ...named, components: { ...named.components, schemas: renamed } };
}

function convert(schema: z.ZodType, io: 'input' | 'output') {
  const {
    $schema,
    $defs = {},
    ...own
  } = z.toJSONSchema(schema, { io, unrepresentable: 'any', override: describeDate });
  const text = JSON.stringify({ own, definitions: $defs });
  // what is taken and what is given differ: by defaults and transformations
  const nameOf = (reference: string) => {
    const name = reference.slice(LOCAL.length);
    if (reference === ROOT) return `Schema_${digest(own)}`;
    if (name.startsWith(UNNAMED)) return `Schema_${digest($defs[name])}`;
    return io === 'input' ? `${name}${TAKEN}` : name;
  };
  const { own: whole, definitions } = JSON.parse(text, (key, value: unknown) =>
    key === '$ref' && typeof value === 'string' ? `${COMPONENTS}${nameOf(value)}` : value,
  ) as { own: JsonSchema; definitions: Record<string, JsonSchema> };
  const components: Record<string, JsonSchema> = {};
  for (const [name, definition] of Object.entries(definitions)) components[nameOf(`${LOCAL}${name}`)] = definition;
  if (text.includes(`"$ref":"${ROOT}"`)) components[nameOf(ROOT)] = whole;
  return { whole, components };
}

/** An answer has a Date as its text. */
function describeDate({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: JsonSchema }): void {
  if (zodSchema._zod.def.type === 'date') Object.assign(jsonSchema, { type: 'string', format: 'date-time' });
}

/** The same wherever the schema stands. */
function digest(schema: unknown): string {
  const text = JSON.stringify(schema).replaceAll(NUMBERED, UNNAMED);
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
