import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { PROBLEMS } from '../src/http/index.ts';
import { environmentOf, startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { createDatabase } from './support/database.ts';
import type { Call } from './support/http.ts';
import { routesOf } from './support/routes.ts';
import { ServerProcess } from './support/server.ts';
import { anAdmin, type Caller, meet } from './support/tenants.ts';

let clerk: TestClerk;
let app: TestApp;
let authorization: string;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk);
  authorization = `Bearer ${clerk.aToken({ exp: Math.floor(Date.now() / 1000) + 3000 })}`;
});

async function anAdminOf(of: TestApp): Promise<Caller> {
  const { token } = anAdmin(clerk);
  await meet(of, token());
  return token;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;

describe('a refusal', () => {
  it.each<[string, string, Call, number, string]>([
    ['an unknown path', '/nope', {}, 404, 'not_found'],
    ['an unknown path below a known one', '/v1/me/nope', {}, 404, 'not_found'],
    ['a wrong method', '/v1/me', { method: 'DELETE' }, 405, 'method_not_allowed'],
    ['a wrong method on an open path', '/healthz', { method: 'POST' }, 405, 'method_not_allowed'],
    ['a method that nobody knows', '/v1/me', { method: 'PROPFIND' }, 405, 'method_not_allowed'],
    ['a path that is no UTF-8', '/problems/%E0%A4%A', {}, 400, 'invalid_input'],
    ['an unknown problem', '/problems/nope', {}, 404, 'not_found'],
    ['a problem named as every object has it', '/problems/constructor', {}, 404, 'not_found'],
    ['malformed JSON', '/v1/me', { method: 'PATCH', body: '{"a":', headers: JSON_TYPE }, 400, 'invalid_input'],
    [
      'JSON that is not UTF-8',
      '/v1/me',
      { method: 'PATCH', body: Buffer.from([0x22, 0xff, 0x22]), headers: JSON_TYPE },
      400,
      'invalid_input',
    ],
    [
      'JSON nested without end',
      '/v1/me',
      { method: 'PATCH', body: deep.slice(0, 90_000), headers: JSON_TYPE },
      400,
      'invalid_input',
    ],
    [
      'JSON nested too deeply',
      '/v1/me',
      { method: 'PATCH', body: `{"settings":{"a":${'['.repeat(40)}${']'.repeat(40)}}}`, headers: JSON_TYPE },
      400,
      'invalid_input',
    ],
    [
      'a body that is too large',
      '/v1/me',
      { method: 'PATCH', body: `{"settings":{"a":"${'x'.repeat(200_000)}"}}`, headers: JSON_TYPE },
      413,
      'payload_too_large',
    ],
    ['no body', '/v1/me', { method: 'PATCH' }, 400, 'invalid_input'],
    [
      'a form',
      '/v1/me',
      { method: 'PATCH', body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      415,
      'unsupported_media_type',
    ],
    ['a body without a type', '/v1/me', { method: 'PATCH', body: '{}' }, 415, 'unsupported_media_type'],
    [
      'a type that only begins like JSON',
      '/v1/me',
      { method: 'PATCH', body: '{}', headers: { 'content-type': 'application/jsonp' } },
      415,
      'unsupported_media_type',
    ],
    [
      'a body in another charset',
      '/v1/me',
      { method: 'PATCH', body: '{}', headers: { 'content-type': 'application/json; charset=utf-7' } },
      415,
      'unsupported_media_type',
    ],
    [
      'an encoded body',
      '/v1/me',
      { method: 'PATCH', body: '{}', headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } },
      415,
      'unsupported_media_type',
    ],
    ['an Accept that excludes JSON', '/v1/me', { headers: { accept: 'text/csv' } }, 406, 'not_acceptable'],
  ])('for %s is a problem document', async (_, path, call, status, code) => {
    const answer = await app.call(`${path}?secret=1`, { ...call, headers: { authorization, ...call.headers } });
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(answer.body).toMatchObject({
      type: `/problems/${code}`,
      title: expect.any(String),
      status,
      detail: expect.any(String),
      instance: path,
      code,
      requestId: answer.headers['x-request-id'],
    });
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).not.toMatch(/secret|\bat .*\.js|stack/);
  });

  it('names the methods of a path', async () => {
    const { headers } = await app.call('/v1/me', { method: 'DELETE' });
    expect(headers.allow).toBe('GET, HEAD, PATCH');
  });

  it('comes before the body is read', async () => {
    const { status, body } = await app.call('/v1/me', { method: 'PATCH', body: '{"a":', headers: JSON_TYPE });
    expect([status, body.code]).toEqual([401, 'token_missing']);
  });

  it('has a type that says what it means', async () => {
    for (const [code, [status]] of Object.entries(PROBLEMS)) {
      const answer = await app.call(`/problems/${code}`);
      expect(answer.body).toMatchObject({ code, status, meaning: expect.any(String) });
    }
  });

  it('of what is not HTTP is a problem document too', async () => {
    const send = async (content: string) => {
      const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
      socket.end(content);
      return text(socket);
    };
    expect(await send('GET / HTTP/9.9\r\n\r\n')).toMatch(
      /^HTTP\/1.1 400 .*application\/problem\+json.*"code":"invalid_input"/s,
    );
    expect(await send(`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431 .*application\/problem\+json.*"code":"invalid_input"/s,
    );
  });
});

describe('a key that every object has', () => {
  const bodies = ['__proto__', 'constructor', 'prototype'].flatMap((key) => [
    `{"${key}":1}`,
    `{"settings":{"${key}":{}}}`,
    `{"settings":{"a":[{"b":{"${key}":null}}]}}`,
    `{"settings":{"\\u00${key.charCodeAt(0).toString(16)}${key.slice(1)}":1}}`,
    `[{"${key}":1}]`,
  ]);

  it('is refused in the body of every route, at any depth', async () => {
    const caller = await anAdminOf(app);
    for (const { method, path } of routesOf(app.app).filter(({ parameters }) =>
      parameters.some(({ kind }) => kind === 'body'),
    ))
      for (const body of bodies) {
        const { status, body: problem } = await app.as(
          caller(),
          `/${path.replace(':id', randomUUID()).replace(/:\w+/, 'user_x')}`,
          { method, body, headers: JSON_TYPE },
        );
        expect([method, path, body, status, problem.code]).toEqual([method, path, body, 400, 'invalid_input']);
      }
  });

  it.each([
    '__proto__=1',
    'constructor',
    'prototype=',
    '%5f_proto__=1',
    'limit=1&__proto__=2&limit=2',
    '__proto__[a]=1',
    'a[__proto__]=1',
    'a[b][constructor][]=1',
    'a%5Bprototype%5D=1',
  ])('is refused in the query of every route: ?%s', async (query) => {
    const caller = await anAdminOf(app);
    // without a signature nothing is read of an event
    for (const { method, path } of routesOf(app.app).filter(({ path: of }) => !of.startsWith('webhooks'))) {
      const url = `/${path.replace(':id', randomUUID()).replace(/:\w+/, 'user_x')}?${query}`;
      const { status, body: problem } = await app.as(caller(), url, { method });
      expect([method, path, status, problem.code]).toEqual([method, path, 400, 'invalid_input']);
    }
  });

  it('is told to nobody without a token', async () => {
    expect((await app.call('/v1/me?__proto__=1')).body.code).toBe('token_missing');
  });

  it('is taken as a value of the query, and as a part of another name', async () => {
    const query = 'a=__proto__&b=constructor&constructors=1&prototype_[x]=1';
    expect((await app.call(`/v1/me?${query}`, { headers: { authorization } })).status).toBe(200);
  });

  it('is taken as a value, and as a part of another key', async () => {
    const settings = { a: '__proto__', b: ['constructor'], constructors: 1, prototype_: { __proto: 2 } };
    const answer = await app.call('/v1/me', { method: 'PATCH', body: { settings }, headers: { authorization } });
    expect((answer.body.user as { settings: object }).settings).toEqual(settings);
  });

  it('keeps no event of Clerk out', async () => {
    const user = clerk.aUser();
    const content = JSON.stringify(clerk.anEvent('user.updated', { ...user, first_name: 'Kept' })).replace(
      '{',
      '{"constructor":1,',
    );
    const event = content.replace('"public_metadata":{', '"public_metadata":{"__proto__":{"a":1},"prototype":2');
    expect((await clerk.deliver(app.url, event)).status).toBe(204);
    const rows = await app.database.query('select name from users where clerk_id = $1', [user.id]);
    expect(rows).toEqual([{ name: 'Kept Example' }]);
  });
});

describe('every answer', () => {
  it('carries the caller’s request id when it is a plain one, else a new one', async () => {
    const id = async (given: string) =>
      (await app.call('/healthz', { headers: { 'x-request-id': given } })).headers['x-request-id'];
    expect(await id('trace-1.a')).toBe('trace-1.a');
    expect(await id('<script>')).toMatch(/^[0-9a-f-]{36}$/);
    expect(await id('x'.repeat(129))).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is kept by no cache and has helmet’s headers', async () => {
    const { headers } = await app.call('/v1/me', { headers: { authorization } });
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    expect(headers['x-powered-by']).toBeUndefined();
    expect(headers.etag).toBeUndefined();
  });
});

describe('cross-origin requests', () => {
  const preflight = (origin: string) =>
    app.call('/v1/me', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'PATCH', 'access-control-request-headers': 'authorization' },
    });

  it('of a listed origin pass the preflight without a token, without credentials', async () => {
    const { status, headers } = await preflight('https://app.example.com');
    expect([status, headers['access-control-allow-origin']]).toEqual([204, 'https://app.example.com']);
    expect(headers['access-control-allow-headers']).toMatch(/authorization/);
    expect(headers['access-control-allow-credentials']).toBeUndefined();
  });

  it.each(['https://evil.example.com', 'https://app.example.com.evil.org', 'null', 'http://app.example.com'])(
    'of %s are not allowed',
    async (origin) => {
      expect((await preflight(origin)).headers['access-control-allow-origin']).toBeUndefined();
    },
  );

  it('read refusals too', async () => {
    const { headers } = await app.call('/v1/me', { headers: { origin: 'https://app.example.com' } });
    expect(headers['access-control-allow-origin']).toBe('https://app.example.com');
  });
});

describe('the log', () => {
  it('has one error for a 500, beside the line of its request', async () => {
    const database = await createDatabase();
    const server = await ServerProcess.start({ ...environmentOf(clerk, database), LOG_LEVEL: 'info' });
    const { token } = anAdmin(clerk);
    expect((await server.as(token(), '/v1/projects')).status).toBe(200);
    await database.query('alter table projects rename to gone');
    const { status, body } = await server.as(token(), '/v1/projects');
    expect([status, body.code]).toEqual([500, 'internal']);
    await server.stop();
    const lines = server.output.split('\n').filter((line) => line.includes(body.requestId as string));
    const logged = lines.map((line) => JSON.parse(line) as { level: number; msg: string; err?: { stack: string } });
    expect(new Set(logged.map(({ level }) => level))).toEqual(new Set([30, 50]));
    expect(logged).toHaveLength(2);
    expect(logged.find(({ level }) => level === 30)).toMatchObject({ msg: 'request completed', res: { status: 500 } });
    expect(logged.filter(({ err }) => err)).toHaveLength(1);
    expect(server.output).not.toContain('request errored');
  });

  it('has a line for each request and no token, cookie, query or header in it', async () => {
    const server = await ServerProcess.start({ ...environmentOf(clerk, app.database), LOG_LEVEL: 'trace' });
    const token = clerk.aToken();
    await server.call(`/v1/me?token=${token}`, {
      headers: { authorization: `Bearer ${token}`, cookie: `__session=${token}` },
    });
    await server.call(`/v1/me?token=${token}`, { headers: { authorization: 'Bearer very-secret-rubbish' } });
    await server.call(`/nope/${encodeURIComponent('x')}?secret=very-secret-query`, {
      headers: { cookie: 'a=very-secret-cookie' },
    });
    await server.stop();
    expect(server.output).toMatch(/"path":"\/v1\/me"/);
    expect(server.output).toMatch(/"status":404/);
    for (const part of token.split('.')) expect(server.output).not.toContain(part);
    expect(server.output).not.toMatch(/very-secret|authorization|sk_test/i);
  });
});
