import { hash } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Seal } from '../src/auth/seal.ts';
import type { TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { until } from './support/local-clerk.ts';
import { seen, startWithMachines } from './support/machines.ts';
import { hasRedis, RedisServer } from './support/redis.ts';

const OK = [200, undefined];
const REVOKED = [401, 'token_revoked'];
const INVALID = [401, 'token_invalid'];

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

beforeEach(() => {
  clerk.behaviour = 'answers';
});

afterEach(() => {
  jest.restoreAllMocks();
});

const verifications = () => clerk.calls.filter((path) => path === '/api_keys/verify').length;
const entryOf = (secret: string) => `gatehouse:machine:${hash('sha256', secret, 'base64url')}`;
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The clock of this process is ahead from now on. */
function goAhead(milliseconds: number): void {
  const ahead = Date.now() + milliseconds - performance.now();
  jest.spyOn(Date, 'now').mockImplementation(() => ahead + performance.now());
}

(hasRedis ? describe : describe.skip)('with a Redis (skipped where this machine has no redis-server)', () => {
  let redis: RedisServer;
  let apps: TestApp[];

  beforeAll(async () => {
    redis = await RedisServer.start();
    const one = await startWithMachines(clerk, { REDIS_URL: redis.url });
    apps = [one, await startWithMachines(clerk, { REDIS_URL: redis.url }, one.database)];
    await connected();
  });

  beforeEach(async () => {
    await redis.do((client) => client.flushAll());
  });

  const [first, second] = [() => apps[0] as TestApp, () => apps[1] as TestApp];
  const kept = (secret: string) => redis.do((client) => client.get(entryOf(secret)));
  const put = (secret: string, value: string) => redis.do((client) => client.set(entryOf(secret), value));

  /** Both processes use it. */
  async function connected(): Promise<void> {
    for (const app of apps)
      for (;;) {
        const { secret } = clerk.anApiKey();
        await seen(app, secret);
        if (await kept(secret)) break;
        await pause(250);
      }
  }

  it('Clerk is asked once a minute for all processes, also when all hear of a key at once', async () => {
    const { secret } = clerk.anApiKey();
    const before = verifications();
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => seen(apps[i % 2] as TestApp, secret)));
    expect(answers.filter(([status]) => status === 200)).toHaveLength(1000);
    expect(verifications()).toBe(before + 1);
    goAhead(61_000);
    await Promise.all(Array.from({ length: 20 }, (_, i) => seen(apps[i % 2] as TestApp, secret)));
    expect(verifications()).toBe(before + 2);
  });

  it('a key that another process knows is no newcomer', async () => {
    const own = await startWithMachines(clerk, { REDIS_URL: redis.url }, first().database);
    const keys = Array.from({ length: 3 }, () => clerk.anApiKey().secret);
    for (const secret of keys) expect(await seen(first(), secret)).toEqual(OK);
    await Promise.all(Array.from({ length: 300 }, (_, i) => seen(own, `ak_${String(i).padStart(32, '0')}`)));
    expect((await seen(own, clerk.anApiKey().secret))[0]).toBe(429);
    for (const secret of keys) expect(await seen(own, secret)).toEqual(OK);
  });

  it('a verdict goes with its minute, whoever keeps it there', async () => {
    const { id, secret } = clerk.anApiKey();
    expect(await seen(first(), secret)).toEqual(OK);
    const old = (await kept(secret)) ?? '';
    expect(await redis.do((client) => client.pTTL(entryOf(secret)))).toBeLessThanOrEqual(120_000);
    clerk.apiKeys.revoke(id);
    goAhead(61_000);
    await put(secret, old);
    expect(await seen(second(), secret)).toEqual(REVOKED);
    await put(secret, old);
    expect(await seen(first(), secret)).toEqual(REVOKED);
  });

  it('a verdict of a process whose clock is ahead counts no longer than one from here', async () => {
    const { id, secret } = clerk.anApiKey();
    goAhead(3000);
    expect(await seen(first(), secret)).toEqual(OK);
    jest.restoreAllMocks();
    const before = verifications();
    expect(await seen(second(), secret)).toEqual(OK);
    expect(verifications()).toBe(before);
    clerk.apiKeys.revoke(id);
    await redis.do((client) => client.flushAll());
    goAhead(60_000);
    expect(await seen(second(), secret)).toEqual(REVOKED);
  });

  it('a verdict from far ahead is none', async () => {
    const { secret } = clerk.anApiKey();
    goAhead(3_600_000);
    expect(await seen(first(), secret)).toEqual(OK);
    jest.restoreAllMocks();
    const before = verifications();
    for (const app of [second(), first()]) expect(await seen(app, secret)).toEqual(OK);
    expect(verifications()).toBe(before + 1);
  });

  it('no forged verdict is believed, and none fails a request', async () => {
    const { secret: mine } = clerk.anApiKey();
    expect(await seen(first(), mine)).toEqual(OK);
    const real = (await kept(mine)) ?? '';
    const far = Date.now() + 50_000;
    const principal = { tokenType: 'api_key', id: 'ak_x', subject: 'user_x', clerkUserId: 'user_x', scopes: ['*'] };
    const verdict = JSON.stringify({ principal, freshUntil: far, endsAt: null });
    const forged = [
      verdict,
      Buffer.from(verdict).toString('base64url'),
      new Seal('sk_test_of_somebody_else', 'gatehouse machine verdicts 1').close(verdict, 'x'),
      real,
      `${real.slice(0, -4)}AAAA`,
      real.slice(0, 30),
      '',
      '\0'.repeat(10_000_000),
      '{"principal":null}',
    ];
    for (const value of forged) {
      const secret = `ak_${hash('sha256', `${value.length}${value.slice(0, 50)}`, 'hex')}`;
      await put(secret, value);
      expect(await seen(second(), secret)).toEqual(INVALID);
    }
    const key = clerk.anApiKey().secret;
    await redis.do((client) => client.lPush(entryOf(key), ['a', 'b']));
    expect(await seen(second(), key)).toEqual(OK);
  });

  it('a claim that nobody gives up holds nobody for long', async () => {
    const { secret } = clerk.anApiKey();
    const claim = entryOf(secret).replace('machine', 'machine-claim');
    await redis.do((client) => client.set(claim, ''));
    expect(await seen(first(), secret)).toEqual(OK);
  });

  it('a key that is revoked here is refused by all, though its verdict lies there', async () => {
    const { id: subject } = clerk.anOrganization();
    const admin = clerk.aUser();
    clerk.aMembership({ id: subject }, admin, 'org:admin');
    const { id, secret } = clerk.anApiKey({ subject });
    for (const app of apps) expect(await seen(app, secret)).toEqual(OK);
    const path = `/v1/tenant/api-keys/${id}`;
    const token = clerk.aTokenIn({ id: subject }, admin);
    expect((await first().as(token, path, { method: 'DELETE' })).status).toBe(204);
    expect(await kept(secret)).not.toBeNull();
    expect(await seen(first(), secret)).toEqual(REVOKED);
    while ((await seen(second(), secret))[0] === 200) await pause(10);
    expect(await seen(second(), secret)).toEqual(REVOKED);
  });

  it('that stops, hangs and comes back no request fails', async () => {
    const keys = Array.from({ length: 4 }, () => clerk.anApiKey().secret);
    const answers: unknown[][] = [];
    let isOver = false;
    const load = Promise.all(
      [first(), second()].map(async (app) => {
        for (let i = 0; !isOver; i++) answers.push(await seen(app, keys[i % keys.length] ?? ''));
      }),
    );
    const has = async (count: number) => until(() => answers.length >= count);
    await has(50);
    await redis.stop();
    await has(answers.length + 50);
    const fresh = clerk.anApiKey().secret;
    expect(await seen(first(), fresh)).toEqual(OK);
    await redis.start();
    await connected();
    redis.signal('SIGSTOP');
    const unheard = Array.from({ length: 8 }, () => clerk.anApiKey().secret);
    for (const secret of unheard) expect(await seen(second(), secret)).toEqual(OK);
    redis.signal('SIGCONT');
    await connected();
    isOver = true;
    await load;
    expect(answers.filter(([status]) => status !== 200)).toEqual([]);
  });
});

it('without a Redis where REDIS_URL leads, the application starts and serves', async () => {
  const app = await startWithMachines(clerk, { REDIS_URL: 'redis://127.0.0.1:1' });
  expect(await seen(app, clerk.anApiKey().secret)).toEqual(OK);
});
