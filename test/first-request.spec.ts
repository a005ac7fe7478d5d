import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { environmentOf, startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { DatabaseProxy } from './support/proxy.ts';
import { ServerProcess } from './support/server.ts';

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk);
});
beforeEach(() => {
  clerk.behaviour = 'answers';
});

const rowsOf = (clerkId: string) =>
  app.database.query<Record<string, unknown>>('select * from users where clerk_id = $1', [clerkId]);

/** Asks until the answer is as expected; the test's own time-out ends it. */
async function eventually(check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 50));
}

describe('the first request of a user', () => {
  it('creates the row and answers with the profile from Clerk', async () => {
    const ada = clerk.aUser({ external_id: 'ext-1' });
    const { status, body } = await app.as(clerk.aToken({ sub: ada.id }), '/v1/me');
    expect(status).toBe(200);
    expect(body).toEqual({
      user: {
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
        clerkId: ada.id,
        email: `${ada.id}@example.com`,
        emailVerified: true,
        username: null,
        phone: null,
        name: 'Ada Example',
        imageUrl: ada.image_url,
        locale: null,
        timezone: null,
        settings: {},
      },
      tenant: null,
      plan: null,
      features: [],
      impersonatedBy: null,
    });
    const [row] = await rowsOf(ada.id);
    expect(row).toMatchObject({ external_id: 'ext-1', clerk_updated_at: String(ada.updated_at) });
  });

  it('takes the profile from custom claims where they carry one, and asks nobody', async () => {
    const calls = clerk.callsTo('/v1/users');
    const token = clerk.aToken({
      sub: 'user_claims',
      email: 'eve@example.com',
      name: 'Eve',
      image_url: 'https://i.example.com/e',
    });
    const { body } = await app.as(token, '/v1/me');
    expect(body.user).toMatchObject({ email: 'eve@example.com', name: 'Eve', imageUrl: 'https://i.example.com/e' });
    expect(clerk.callsTo('/v1/users')).toBe(calls);
    expect((await rowsOf('user_claims'))[0]).toMatchObject({ clerk_updated_at: '0' });
  });

  it('never changes a row that exists, whatever the claims say', async () => {
    const ada = clerk.aUser();
    await app.as(clerk.aToken({ sub: ada.id }), '/v1/me');
    const { body } = await app.as(clerk.aToken({ sub: ada.id, email: 'mallory@example.com' }), '/v1/me');
    expect(body.user).toMatchObject({ email: `${ada.id}@example.com` });
  });

  it.each([
    ['text that PostgreSQL cannot hold', { email: '\u0000', name: '\ud800' }],
    ['something else than text', { email: 7, name: ['x'], image_url: {}, external_id: true }],
  ])('survives claims with %s', async (_, claims) => {
    const own = await startApp(clerk);
    clerk.behaviour = 'fails';
    const { status, body } = await own.as(clerk.aToken(claims), '/v1/me');
    expect([status, (body.user as { email: unknown }).email]).toEqual([200, null]);
  });

  it('two hundred times at once over two processes makes one row, with one call to Clerk each at most', async () => {
    const ada = clerk.aUser();
    const env = { ...environmentOf(clerk, app.database), NODE_ENV: 'production' };
    const servers = await Promise.all([ServerProcess.start(env), ServerProcess.start(env)]);
    const token = clerk.aToken({ sub: ada.id });
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => (servers[i % 2] as ServerProcess).as(token, '/v1/me')),
    );
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
    expect(new Set(answers.map((answer) => (answer.body.user as { id: string }).id)).size).toBe(1);
    expect(await rowsOf(ada.id)).toHaveLength(1);
    expect(clerk.callsTo(`/v1/users/${ada.id}`)).toBeLessThanOrEqual(2);
  });

  it('asks Clerk once for requests that come together', async () => {
    const ada = clerk.aUser();
    await Promise.all(Array.from({ length: 50 }, () => app.as(clerk.aToken({ sub: ada.id }), '/v1/me')));
    expect(clerk.callsTo(`/v1/users/${ada.id}`)).toBe(1);
  });

  it('gives an external id to whom the newer word says', async () => {
    const first = clerk.aUser({ external_id: 'ext-moved', updated_at: 1_800_000_000_000 });
    const second = clerk.aUser({ external_id: 'ext-moved', updated_at: 1_800_000_000_001 });
    const third = clerk.aUser({ external_id: 'ext-moved', updated_at: 1_700_000_000_000 });
    for (const user of [first, second, third])
      expect((await app.as(clerk.aToken({ sub: user.id }), '/v1/me')).status).toBe(200);
    expect(await app.database.query("select clerk_id from users where external_id = 'ext-moved'")).toEqual([
      { clerk_id: second.id },
    ]);
  });
});

describe('while Clerk is away', () => {
  it.each(['fails', 'hangs', 'refuses'] as const)(
    '(%s) a first request succeeds with the profile empty, and a later one completes it',
    async (behaviour) => {
      const own = await startApp(clerk);
      const ada = clerk.aUser();
      clerk.behaviour = behaviour;
      const first = await own.as(clerk.aToken({ sub: ada.id }), '/v1/me');
      expect([first.status, (first.body.user as { email: unknown }).email]).toEqual([200, null]);
      clerk.behaviour = 'answers';
      await eventually(async () => {
        const { body } = await own.as(clerk.aToken({ sub: ada.id }), '/v1/me');
        return (body.user as { email: unknown }).email === `${ada.id}@example.com`;
      });
    },
  );

  it('is what another’s 404 means: the row is made of the token', async () => {
    const own = await startApp(clerk);
    clerk.behaviour = 'misleads';
    const { id: sub } = clerk.aUser();
    const { status, body } = await own.as(clerk.aToken({ sub }), '/v1/me');
    expect([status, (body.user as { clerkId: string }).clerkId]).toEqual([200, sub]);
    expect(await own.database.query('select clerk_id from users where clerk_id = $1', [sub])).toHaveLength(1);
  });

  it('is not asked for ten seconds after some failures, so that first requests do not wait', async () => {
    const own = await startApp(clerk);
    clerk.behaviour = 'hangs';
    await Promise.all(Array.from({ length: 3 }, () => own.as(clerk.aToken(), '/v1/me')));
    const calls = clerk.callsTo('/v1/users');
    for (let i = 0; i < 20; i++) expect((await own.as(clerk.aToken(), '/v1/me')).status).toBe(200);
    expect(clerk.callsTo('/v1/users')).toBe(calls);
    clerk.behaviour = 'answers';
    await eventually(async () => {
      const { body } = await own.as(clerk.aToken(), '/v1/me');
      return (body.user as { email: unknown }).email !== null;
    });
    expect(clerk.callsTo('/v1/users')).toBeGreaterThan(calls);
  });
});

describe('a user who may not call', () => {
  it.each(['banned', 'deprovisioned'])('is refused at first sight when Clerk says %s', async (state) => {
    const ada = clerk.aUser({ [state]: true });
    const { status, body } = await app.as(clerk.aToken({ sub: ada.id }), '/v1/me');
    expect([status, body.code]).toEqual([401, 'token_revoked']);
  });

  it('is refused when Clerk knows no such user, which is asked once and makes no row', async () => {
    const token = clerk.aToken({ sub: 'user_gone' });
    for (let i = 0; i < 3; i++) expect((await app.as(token, '/v1/me')).body.code).toBe('token_revoked');
    expect(clerk.callsTo('/v1/users/user_gone')).toBe(1);
    expect(await rowsOf('user_gone')).toEqual([]);
  });

  it('is not one who is only locked', async () => {
    const ada = clerk.aUser({ locked: true });
    expect((await app.as(clerk.aToken({ sub: ada.id }), '/v1/me')).status).toBe(200);
    expect((await rowsOf(ada.id))[0]?.locked_at).toBeInstanceOf(Date);
  });

  it.each(['banned_at', 'deprovisioned_at', 'deleted_at'])(
    'is refused once %s is set and announced, on every process',
    async (column) => {
      const other = await startApp(clerk, {}, app.database);
      const token = clerk.aToken({ sub: clerk.aUser().id });
      const sub = ((await app.as(token, '/v1/me')).body.user as { clerkId: string }).clerkId;
      expect((await other.as(token, '/v1/me')).status).toBe(200);
      await app.database.query(
        `with gone as (update users set ${column} = now() where clerk_id = $1) insert into changes (topic, key) values ('user', $1)`,
        [sub],
      );
      for (const each of [app, other])
        await eventually(async () => (await each.as(token, '/v1/me')).body.code === 'token_revoked');
    },
  );

  it('is not brought back by a token when deleted before we met', async () => {
    const ada = clerk.aUser();
    await app.database.query('insert into users (id, clerk_id, deleted_at) values (gen_random_uuid(), $1, now())', [
      ada.id,
    ]);
    const { body } = await app.as(clerk.aToken({ sub: ada.id, email: 'back@example.com' }), '/v1/me');
    expect(body.code).toBe('token_revoked');
    expect((await rowsOf(ada.id))[0]).toMatchObject({ email: null, deleted_at: expect.any(Date) });
  });

  it('is refused by the next request when the load of the user was under way while the ban committed', async () => {
    const ada = clerk.aUser();
    const token = clerk.aToken({ sub: ada.id });
    await app.as(token, '/v1/me');
    const proxy = await DatabaseProxy.start(app.database.url);
    const own = await startApp(clerk, { DATABASE_URL: proxy.url }, app.database);
    // the load has read the row, and its answer is on the way, when the ban commits and is announced
    proxy.holdAnswersWith(`${ada.id}@example.com`);
    const held = own.as(token, '/v1/me');
    await eventually(async () => proxy.holds);
    await app.database.query(
      `with banned as (update users set banned_at = now() where clerk_id = $1) insert into changes (topic, key) values ('user', $1)`,
      [ada.id],
    );
    await new Promise((resolve) => setTimeout(resolve, 1000));
    proxy.release();
    await held;
    expect((await own.as(token, '/v1/me')).body.code).toBe('token_revoked');
  });
});
