import { beforeAll, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Module, Post, Query, SerializeOptions, type Type } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse } from '@nestjs/swagger';
import { Validator } from '@seriousme/openapi-schema-validator';
import { z } from 'zod';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { readSettings } from '../src/config/index.ts';
import { Public } from '../src/http/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { DocumentSchemas } from './support/json-schema.ts';

const Tree = z.object({
  name: z.string(),
  get children() {
    return z.array(Tree);
  },
});
type Chain = { next: Chain | null };
const Chain: z.ZodType<Chain> = z.lazy(() => z.object({ next: Chain.nullable() }));
const Comment = z
  .object({
    text: z.string().default('…'),
    get answers() {
      return z.array(Comment);
    },
  })
  .meta({ id: 'Comment' });
const Folder = z.object({ tree: Tree }).meta({ id: 'Folder' });
const Money = z.object({ amount: z.int(), currency: z.literal('EUR').default('EUR') }).meta({ id: 'Money' });

/** What a team may take: the body, what fits it, and what does not. */
const INPUTS: Record<string, [z.ZodType, fits: unknown[], not: unknown[]]> = {
  positive: [valueOf(z.int().positive()), [{ value: 1 }], [{ value: 0 }, { value: 0.5 }]],
  negative: [valueOf(z.number().negative()), [{ value: -0.5 }], [{ value: 0 }]],
  above: [valueOf(z.number().gt(5)), [{ value: 5.1 }], [{ value: 5 }]],
  below: [valueOf(z.number().lt(5)), [{ value: 4.9 }], [{ value: 5 }]],
  between: [valueOf(z.number().min(1).max(2)), [{ value: 1 }, { value: 2 }], [{ value: 0.9 }, { value: 2.1 }]],
  multiple: [valueOf(z.number().multipleOf(5)), [{ value: 10 }], [{ value: 11 }]],
  nullable: [valueOf(z.int().positive().nullable()), [{ value: null }, { value: 1 }], [{ value: 0 }, {}]],
  'nullable object': [valueOf(z.object({ a: z.string() }).nullable()), [{ value: null }], [{ value: {} }]],
  optional: [valueOf(z.string().optional()), [{}, { value: 'x' }], [{ value: 1 }]],
  defaulted: [valueOf(z.string().default('x')), [{}, { value: 'y' }], [{ value: null }]],
  literal: [valueOf(z.literal(['a', 1, null])), [{ value: 'a' }, { value: 1 }, { value: null }], [{ value: '1' }]],
  enum: [valueOf(z.enum(['a', 'b'])), [{ value: 'a' }], [{ value: 'c' }]],
  tuple: [valueOf(z.tuple([z.string(), z.int()])), [{ value: ['a', 1] }], [{ value: ['a'] }, { value: ['a', 1, 2] }]],
  'tuple and more': [valueOf(z.tuple([z.string()], z.int())), [{ value: ['a', 1, 2] }], [{ value: ['a', 'b'] }]],
  record: [valueOf(z.record(z.string(), z.int())), [{ value: { a: 1 } }], [{ value: { a: 'b' } }]],
  'record of an enum': [
    valueOf(z.record(z.enum(['a', 'b']), z.int())),
    [{ value: { a: 1, b: 2 } }],
    [{ value: { a: 1 } }, { value: { a: 1, b: 2, c: 3 } }],
  ],
  union: [
    z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('card'), last4: z.string().length(4) }),
      z.object({ kind: z.literal('bank') }),
    ]),
    [{ kind: 'card', last4: '4242' }, { kind: 'bank' }],
    [{ kind: 'card' }, { kind: 'cash' }],
  ],
  intersection: [
    z.intersection(z.object({ a: z.string() }), z.object({ b: z.int().positive() })),
    [{ a: 'x', b: 1 }],
    [{ a: 'x', b: 0 }],
  ],
  'strict object': [z.strictObject({ a: z.string() }), [{ a: 'x' }], [{ a: 'x', b: 1 }]],
  'date and time': [valueOf(z.iso.datetime()), [{ value: '2026-01-02T03:04:05Z' }], [{ value: '2026-01-02' }]],
  date: [valueOf(z.iso.date()), [{ value: '2026-01-02' }], [{ value: '2026-02-30' }]],
  email: [valueOf(z.email()), [{ value: 'ada@example.com' }], [{ value: 'ada' }]],
  uuid: [valueOf(z.uuid()), [{ value: '0198c0de-0000-7000-8000-000000000000' }], [{ value: 'x' }]],
  transformed: [valueOf(z.string().transform(Number)), [{ value: '1' }], [{ value: 1 }]],
  piped: [valueOf(z.string().transform(Number).pipe(z.int().positive())), [{ value: '1' }], [{ value: 1 }]],
  examples: [valueOf(z.string().meta({ examples: ['a', 'b'] })), [{ value: 'c' }], [{ value: 1 }]],
  'odd names': [
    z.object({ const: z.string(), examples: z.string() }),
    [{ const: 'a', examples: 'b' }],
    [{ const: 'a' }],
  ],
  recursive: [Tree, [{ name: 'a', children: [{ name: 'b', children: [] }] }], [{ name: 'a', children: [{}] }]],
  'recursive inside': [valueOf(Tree), [{ value: { name: 'a', children: [] } }], [{ value: { name: 'a' } }]],
  'recursive too': [valueOf(Chain), [{ value: { next: { next: null } } }], [{ value: { next: {} } }]],
  'recursive, named': [Comment, [{ answers: [{ answers: [] }] }], [{ answers: [{}] }]],
  named: [z.object({ a: Money, b: Money }), [{ a: { amount: 1 }, b: { amount: 2 } }], [{ a: {}, b: {} }]],
  'named, with a recursive one': [valueOf(Folder), [{ value: { tree: { name: 'a', children: [] } } }], [{ value: {} }]],
  'named, elsewhere': [
    z.object({ chain: Chain, folder: Folder }),
    [{ chain: { next: null }, folder: { tree: { name: 'a', children: [] } } }],
    [{ chain: { next: null }, folder: { tree: {} } }],
  ],
  json: [valueOf(z.json()), [{ value: { a: [1, null] } }], [{}]],
};

/** What a team may answer: the schema, what a handler returns, and what no client must expect. */
const OUTPUTS: Record<string, [z.ZodType, returned: unknown, not: unknown]> = {
  positive: [valueOf(z.int().positive()), { value: 1 }, { value: 0 }],
  nullable: [valueOf(z.string().nullable()), { value: null }, { value: 1 }],
  defaulted: [valueOf(z.string().default('x')), {}, {}],
  date: [valueOf(z.date()), { value: new Date() }, { value: 1 }],
  transformed: [valueOf(z.string().transform(Number)), { value: '1' }, 1],
  piped: [valueOf(z.string().transform(Number).pipe(z.int().positive())), { value: '1' }, { value: '1' }],
  tuple: [valueOf(z.tuple([z.string(), z.int()])), { value: ['a', 1] }, { value: [1, 'a'] }],
  recursive: [Tree, { name: 'a', children: [{ name: 'b', children: [] }] }, { name: 'a', children: [{}] }],
  'recursive inside': [valueOf(Chain), { value: { next: null } }, { value: {} }],
  'recursive, named': [Comment, { answers: [{ answers: [] }] }, { text: 'a', answers: [{}] }],
  named: [Money, { amount: 1 }, { amount: 1 }],
};

const Search = z
  .object({ above: z.coerce.number().positive(), order: z.enum(['asc', 'desc']).default('asc') })
  .meta({ id: 'Search' });

const Taken = z.object({ taken: z.unknown() });

function valueOf(value: z.ZodType): z.ZodType {
  return z.object({ value });
}

function named(name: string, controller: Type): Type {
  return Object.defineProperty(controller, 'name', { value: `${name.replaceAll(/\W/g, '')}Controller` });
}

const pathOf = (kind: 'inputs' | 'outputs', name: string) => `/${kind}/${name.replaceAll(/\W/g, '-')}`;

const takers = Object.entries(INPUTS).map(([name, [schema]]) => {
  @Public()
  @Controller(pathOf('inputs', name))
  class Taker {
    @Post()
    @ApiCreatedResponse({ standardSchema: Taken })
    @SerializeOptions({ schema: Taken })
    take(@Body({ schema }) taken: unknown) {
      return { taken };
    }
  }
  return named(`take ${name}`, Taker);
});

const givers = Object.entries(OUTPUTS).map(([name, [schema, returned]]) => {
  @Public()
  @Controller(pathOf('outputs', name))
  class Giver {
    @Get()
    @ApiOkResponse({ standardSchema: schema })
    @SerializeOptions({ schema })
    give() {
      return returned;
    }
  }
  return named(`give ${name}`, Giver);
});

@Public()
@Controller('search')
class SearchController {
  @Get()
  @ApiOkResponse({ standardSchema: Taken })
  @SerializeOptions({ schema: Taken })
  search(@Query({ schema: Search }) taken: unknown) {
    return { taken };
  }
}

const start = async (controllers: Type[]) =>
  startApp(await TestClerk.start(), {}, undefined, (env) => {
    @Module({ imports: modulesOf(readSettings(env)), providers: requestChain, controllers })
    class TestModule {}
    return TestModule;
  });

let app: TestApp;
let document: { paths: Record<string, Record<string, { parameters: object[] }>>; components: { schemas: object } };
let schemas: DocumentSchemas;

beforeAll(async () => {
  app = await start([...takers, ...givers, SearchController]);
  document = (await app.call('/openapi.json')).body as typeof document;
  schemas = new DocumentSchemas(document);
});

const placeOf = (path: string, inside: string) => `/paths/${path.replaceAll('/', '~1')}/${inside}`;

describe('the document of the API', () => {
  it('has no schema that is not JSON Schema 2020-12, whatever a team takes and answers', async () => {
    expect(schemas.places.length).toBeGreaterThan(Object.keys({ ...INPUTS, ...OUTPUTS }).length);
    for (const place of schemas.places) expect(schemas.compile(place)).toBeInstanceOf(Function);
    expect(JSON.stringify(document)).not.toMatch(/"nullable"|"\$schema"|"\$defs"/);
    expect((await new Validator().validate(structuredClone(document))).errors).toBeUndefined();
  });

  it.each(Object.keys(INPUTS))('says of a body what its route does: %s', async (name) => {
    const [, fits, not] = INPUTS[name] as (typeof INPUTS)[string];
    const path = pathOf('inputs', name);
    const isValid = schemas.compile(placeOf(path, 'post/requestBody/content/application~1json/schema'));
    for (const body of [...fits, ...not]) {
      const { status } = await app.call(path, { method: 'POST', body: body as object });
      const expected = fits.includes(body);
      expect([body, status, isValid(body)]).toEqual([body, expected ? 201 : 400, expected]);
    }
  });

  it.each(Object.keys(OUTPUTS))('says of an answer what its route gives: %s', async (name) => {
    const [, , not] = OUTPUTS[name] as (typeof OUTPUTS)[string];
    const path = pathOf('outputs', name);
    const isValid = schemas.compile(placeOf(path, 'get/responses/200/content/application~1json/schema'));
    const { status, body } = await app.call(path);
    expect([body, status, isValid(body), isValid(not)]).toEqual([body, 200, true, false]);
  });

  it('names what has an id, apart where it is both taken and given', () => {
    const names = Object.keys(document.components.schemas).filter((name) => !name.startsWith('Schema_'));
    expect(names).toEqual(
      expect.arrayContaining(['Comment', 'CommentInput', 'Folder', 'Money', 'MoneyInput', 'NewProject', 'Problem']),
    );
    expect(names).not.toContain('NewProjectInput');
    expect(document.paths['/v1/projects']?.post).toMatchObject({
      requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/NewProject' } } } },
    });
    expect(document.paths[pathOf('inputs', 'recursive, named')]?.post).toMatchObject({
      requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/CommentInput' } } } },
    });
    expect(JSON.stringify(document)).not.toMatch(/x-component|\.Taken/);
  });

  it('lists each parameter of a query that has an id', () => {
    expect(document.paths['/search']?.get?.parameters).toMatchObject([
      { name: 'above', in: 'query', required: true, schema: { type: 'number', exclusiveMinimum: 0 } },
      { name: 'order', in: 'query', required: false, schema: { enum: ['asc', 'desc'], default: 'asc' } },
    ]);
  });
});

describe('two schemas with one id', () => {
  it('leave no document that is wrong about one of them', async () => {
    const controllers = [z.string(), z.int()].map((schema, index) => {
      @Public()
      @Controller(`twins/${index}`)
      class Twin {
        @Get()
        @ApiOkResponse({ standardSchema: schema.meta({ id: 'Twin' }) })
        @SerializeOptions({ schema })
        show() {
          return null;
        }
      }
      return named(`twin ${index}`, Twin);
    });
    expect((await (await start(controllers)).call('/openapi.json')).status).toBe(500);
  });
});
