import { beforeAll, describe, expect, it } from '@jest/globals';
import { EntityManager } from '@mikro-orm/postgresql';
import { Controller, Get, Module, Query, SerializeOptions, type Type } from '@nestjs/common';
import { ApiOkResponse } from '@nestjs/swagger';
import fc from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { readSettings } from '../src/config/index.ts';
import { decodeCursor, encodeCursor, ListQuery, listPage, Problem, Public, pageOf } from '../src/http/index.ts';
import { User } from '../src/users/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

const Person = z.object({ id: z.uuid(), name: z.string().nullable() }).meta({ id: 'Person' });
const People = pageOf(Person);
const PeopleQuery = ListQuery.extend({ name: z.string().optional() });

@Public()
@Controller('people')
class PeopleController {
  constructor(private readonly em: EntityManager) {}

  @Get()
  @ApiOkResponse({ standardSchema: People })
  @SerializeOptions({ schema: People })
  list(@Query({ schema: PeopleQuery }) { name, ...page }: z.output<typeof PeopleQuery>) {
    return listPage(this.em.fork(), User, name === undefined ? {} : { name }, page);
  }
}

function moduleOf(env: Record<string, string>): Type {
  @Module({ imports: modulesOf(readSettings(env)), providers: requestChain, controllers: [PeopleController] })
  class TestModule {}
  return TestModule;
}

describe('a cursor', () => {
  it('gives back what was put in', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2 }), (value) => {
        const cursor = encodeCursor(value as z.core.util.JSONType);
        fc.pre(cursor.length <= 1000);
        expect(cursor).toMatch(/^[\w-]+$/);
        expect(decodeCursor(cursor, z.unknown())).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('that no list gave is an invalid cursor, whatever it is', () => {
    const schema = z.uuid();
    const rubbish = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.base64String(),
      fc.jsonValue().map((value) => encodeCursor(value as z.core.util.JSONType)),
      fc.uuid().map((id) => `${encodeCursor(id)}=`),
      fc.uuid().map((id) => encodeCursor(id).slice(1)),
      fc.uuid(),
    );
    fc.assert(
      fc.property(rubbish, (cursor) => {
        expect(() => decodeCursor(cursor, schema)).toThrow(new Problem('invalid_cursor'));
      }),
    );
  });

  it('is bounded in its length', () => {
    expect(() => decodeCursor(encodeCursor('x'.repeat(10_000)), z.string())).toThrow(Problem);
  });
});

describe('a list', () => {
  let app: TestApp;
  const ids = Array.from({ length: 45 }, (_, i) => uuidv7({ msecs: 1_700_000_000_000 + i }));

  beforeAll(async () => {
    app = await startApp(await TestClerk.start(), {}, undefined, moduleOf);
    for (const [i, id] of ids.entries())
      await app.database.query('insert into users (id, clerk_id, name) values ($1, $2, $3)', [
        id,
        `user_${i}`,
        i % 2 ? 'odd' : 'even',
      ]);
  });

  const list = async (query: string) => app.call(`/people?${query}`);

  async function walk(query: string): Promise<{ ids: string[]; pages: number }> {
    const walked: string[] = [];
    const asked = new URLSearchParams(query);
    for (let pages = 1; ; pages++) {
      const { status, body } = await list(asked.toString());
      expect(status).toBe(200);
      walked.push(...(body.data as { id: string }[]).map(({ id }) => id));
      if (body.nextCursor === null) return { ids: walked, pages };
      asked.set('cursor', body.nextCursor as string);
    }
  }

  it('gives twenty at first, the latest first, and the way to the next', async () => {
    const { body } = await list('');
    expect(body.data).toEqual(
      ids
        .toReversed()
        .slice(0, 20)
        .map((id) => ({ id, name: expect.any(String) })),
    );
    expect(await walk('')).toEqual({ ids: ids.toReversed(), pages: 3 });
  });

  it.each([1, 7, 15, 45, 100])('gives each once, by pages of %i', async (limit) => {
    expect(await walk(`limit=${limit}`)).toEqual({ ids: ids.toReversed(), pages: Math.ceil(45 / limit) });
  });

  it('goes on where it was when some were added and deleted meanwhile', async () => {
    const { body } = await list('limit=10&name=odd');
    const odd = ids.filter((_, i) => i % 2).toReversed();
    await app.database.query('delete from users where id = $1', [odd[9]]);
    await app.database.query("insert into users (id, clerk_id, name) values ($1, 'user_new', 'odd')", [uuidv7()]);
    const rest = await walk(`limit=10&name=odd&cursor=${body.nextCursor as string}`);
    expect(rest.ids).toEqual(odd.slice(10));
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=-1',
    'limit=1.5',
    'limit=',
    'limit=x',
    'limit=1&limit=2',
    'limit=1e2',
    'limit=0x10',
    'limit=%2B5',
    'limit=1.0',
    'limit=%205',
    'limit=5%0A',
    'limit=05',
    'limit=%EF%BC%95',
    'limit=1_0',
    'limit=Infinity',
    'cursor=a&cursor=b',
    'page=2',
  ])('refuses ?%s as input', async (query) => {
    const { status, body } = await list(query);
    expect([status, body.code]).toEqual([400, 'invalid_input']);
    expect(body.errors).toEqual([{ pointer: `/${query.split('=')[0]}`, detail: expect.any(String) }]);
  });

  it.each(['', 'x', encodeCursor(7), encodeCursor("' or 1=1"), encodeCursor('a\0b'), 'x'.repeat(2000)])(
    'refuses the cursor %j',
    async (cursor) => {
      const { status, body } = await list(`cursor=${cursor}`);
      expect([status, body.code]).toEqual([400, 'invalid_cursor']);
    },
  );

  it('shows its parameters and its page in the OpenAPI document', async () => {
    const { body } = await app.call('/openapi.json');
    const paths = body.paths as Record<string, { get: { parameters: object[]; responses: Record<string, unknown> } }>;
    const { parameters, responses } = paths['/people']?.get ?? { parameters: [], responses: {} };
    expect(parameters).toMatchObject([
      {
        name: 'limit',
        in: 'query',
        required: false,
        schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
      },
      { name: 'cursor', in: 'query', required: false, schema: { type: 'string' } },
      { name: 'name', in: 'query', required: false },
    ]);
    const page = JSON.stringify(responses['200']);
    expect(page).toContain('"nextCursor"');
    expect(page).toContain('"#/components/schemas/Person"');
  });
});
