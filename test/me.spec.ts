import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

let clerk: TestClerk;
let app: TestApp;
let token: string;
let clerkId: string;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk);
  clerkId = clerk.aUser().id;
  token = clerk.aToken({ sub: clerkId, iat: Math.floor(Date.now() / 1000), exp: Math.floor(Date.now() / 1000) + 3000 });
  await app.as(token, '/v1/me');
});

const patch = (body: object | string, headers: Record<string, string> = {}) =>
  app.as(token, '/v1/me', { method: 'PATCH', body, headers });
const storedRow = async () =>
  (await app.database.query<Record<string, unknown>>('select * from users where clerk_id = $1', [clerkId]))[0];

describe('PATCH /v1/me', () => {
  it('saves what it names, leaves the rest, and the caller reads its own write', async () => {
    await patch({ locale: 'pt-BR', timezone: 'Europe/Lisbon', settings: { theme: 'dark', list: [1, { two: null }] } });
    const { status, body } = await patch({ timezone: null });
    expect([status, body.user]).toMatchObject([
      200,
      { locale: 'pt-BR', timezone: null, settings: { theme: 'dark', list: [1, { two: null }] } },
    ]);
    expect((await app.as(token, '/v1/me')).body).toEqual(body);
    expect(await storedRow()).toMatchObject({
      locale: 'pt-BR',
      timezone: null,
      settings: { theme: 'dark', list: [1, { two: null }] },
    });
  });

  it('replaces the settings as a whole', async () => {
    await patch({ settings: { a: 1 } });
    const { body } = await patch({ settings: { b: 2 } });
    expect((body.user as { settings: unknown }).settings).toEqual({ b: 2 });
  });

  it('shows on another process within a second', async () => {
    const other = await startApp(clerk, {}, app.database);
    await other.as(token, '/v1/me');
    await patch({ locale: 'de' });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(((await other.as(token, '/v1/me')).body.user as { locale: string }).locale).toBe('de');
  });

  it('is written over what another process wrote a moment before', async () => {
    const other = await startApp(clerk, {}, app.database);
    for (const each of [app, other]) await each.as(token, '/v1/me', { method: 'PATCH', body: { locale: 'de' } });
    await other.as(token, '/v1/me', { method: 'PATCH', body: { locale: 'fr' } });
    const { body } = await patch({ locale: 'de' });
    expect((body.user as { locale: string }).locale).toBe('de');
    expect((await storedRow())?.locale).toBe('de');
  });

  it.each<[string, object | string, string]>([
    ['an unknown field', { nickname: 'x' }, '/nickname'],
    ['a field of Clerk’s', { email: 'x@example.com' }, '/email'],
    ['an unknown field with a strange name', { 'a/b~c': 1 }, '/a~1b~0c'],
    ['a locale that is none', { locale: 'not a locale' }, '/locale'],
    ['a locale that is a number', { locale: 5 }, '/locale'],
    ['an unknown time zone', { timezone: 'Mars/Base' }, '/timezone'],
    ['settings that are a list', { settings: [] }, '/settings'],
    ['settings that are null', { settings: null }, '/settings'],
    ['settings of more than 8 KB', { settings: { a: 'x'.repeat(8200) } }, '/settings'],
    ['settings of more than 8 KB in bytes', { settings: { a: 'ü'.repeat(4100) } }, '/settings'],
    ['settings with U+0000', { settings: { a: 'x\u0000y' } }, '/settings'],
    ['settings with U+0000 in a name', { settings: { 'x\u0000': 1 } }, '/settings'],
    ['settings with half a surrogate pair', '{"settings":{"a":"\\ud800"}}', '/settings'],
    ['a list', [], ''],
    ['a text', '"hello"', ''],
    ['null', 'null', ''],
  ])('refuses %s and changes nothing', async (_, body, pointer) => {
    const before = await storedRow();
    const { status, body: problem } = await patch(body, { 'content-type': 'application/json' });
    expect([status, problem.code]).toEqual([400, 'invalid_input']);
    expect((problem.errors as { pointer: string }[])[0]?.pointer).toBe(pointer);
    expect(await storedRow()).toEqual(before);
  });

  it('stores settings that only look like what PostgreSQL refuses', async () => {
    const settings = { a: '\\u0000', b: '\\\\ud800', c: '😀', d: '\u0001' };
    expect(((await patch({ settings })).body.user as { settings: unknown }).settings).toEqual(settings);
  });

  it('gives every request an entity of its own', async () => {
    await patch({ settings: { count: 0 } });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => patch({ settings: { count: i } })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    const { settings } = (await app.as(token, '/v1/me')).body.user as { settings: unknown };
    expect((await storedRow())?.settings).toEqual(settings);
  });

  it('takes any JSON without a failure of ours', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.json(),
          fc.jsonValue().map((settings) => JSON.stringify({ settings })),
          fc.string(),
        ),
        async (body) => {
          const { status, body: answer } = await patch(body, { 'content-type': 'application/json' });
          expect([200, 400]).toContain(status);
          if (status === 400) expect(answer.code).toBe('invalid_input');
        },
      ),
      { numRuns: 300 },
    );
  });

  it('sees prototype names as names', async () => {
    const { status } = await patch('{"settings":{"__proto__":{"polluted":1},"constructor":1}}', {
      'content-type': 'application/json',
    });
    expect([200, 400]).toContain(status);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

describe('GET /v1/me says what the token says', () => {
  const o = { id: 'org_1', rol: 'member', per: 'read,write', fpm: '3,1' };

  it.each<[string, Record<string, unknown>, { plan: string | null; features: string[] }]>([
    ['nothing', {}, { plan: null, features: [] }],
    ['an empty list', { pla: '', fea: '' }, { plan: null, features: [] }],
    ['the plan of the user', { pla: 'u:pro', fea: 'u:exports,u:api' }, { plan: 'pro', features: ['api', 'exports'] }],
    [
      'the plan of the active organization, with the features of both',
      { pla: 'o:team,u:pro', fea: 'o:sso,ou:api,u:exports', o },
      { plan: 'team', features: ['api', 'exports', 'sso'] },
    ],
    ['no plan of the user where an organization is active', { pla: 'u:pro', o }, { plan: null, features: [] }],
    ['no scope that Clerk does not have', { pla: 'x:pro', fea: 'x:api' }, { plan: null, features: [] }],
  ])('%s', async (_, claims, expected) => {
    const { status, body } = await app.as(clerk.aToken(claims), '/v1/me');
    expect([status, body]).toMatchObject([200, expected]);
    expect(body.features).toEqual(expected.features);
  });

  it('of permissions', async () => {
    const { body } = await app.as(clerk.aToken({ fea: 'o:projects,o:notes', o }), '/v1/me');
    const permissions = ['org:projects:read', 'org:projects:write', 'org:notes:read'];
    expect(body.tenant).toMatchObject({ role: 'org:member', permissions });
  });

  it('of who acts as the user', async () => {
    expect((await app.as(clerk.aToken({ act: { sub: 'user_boss' } }), '/v1/me')).body.impersonatedBy).toBe('user_boss');
    expect((await app.as(clerk.aToken(), '/v1/me')).body.impersonatedBy).toBeNull();
  });

  it.each([null, {}, { sub: null }, { sub: '' }, 'user_boss', ['user_boss'], { iss: 'x' }])(
    'and refuses an actor without a name: %j',
    async (act) => {
      const { status, body } = await app.as(clerk.aToken({ act }), '/v1/me');
      expect([status, body.code]).toEqual([401, 'token_invalid']);
    },
  );
});
