import { hash, randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Seal } from '../src/auth/seal.ts';
import type { TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { until } from './support/local-clerk.ts';
import {
  INVALID,
  OK,
  REVOKED,
  refusalOf,
  seen,
  startWithMachines,
  stopClock,
  verificationsAt,
} from './support/machines.ts';
import { hasRedis, RedisServer } from './support/redis.ts';

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

beforeEach(() => {
  clerk.behaviour = 'answers';
  clerk.statuses = [];
});

afterEach(() => {
  jest.restoreAllMocks();
});

const verifications = () => verificationsAt(clerk);
/** What its verdicts are sealed with and for, and the name under which they are kept. */
const PURPOSE = 'gatehouse machine verdicts 2';
const nameOf = (secret: string) => hash('sha256', secret, 'base64url');
const ours = (secretKey = clerk.productionEnv.CLERK_SECRET_KEY) =>
  JSON.stringify([secretKey, '', clerk.origin, [clerk.origin]]);
const entryOf = (secret: string) => `gatehouse:machine:${new Seal(ours(), PURPOSE).id}:${nameOf(secret)}`;
const PATIENCE_MS = 30_000;
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

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
  const put = (secret: string, value: string, expiration = { type: 'PX' as const, value: 120_000 }) =>
    redis.do((client) => client.set(entryOf(secret), value, { expiration }));

  /** Both processes use it. */
  async function connected(): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (const app of apps)
      for (;;) {
        const { secret } = clerk.anApiKey();
        await seen(app, secret);
        if (await kept(secret)) break;
        if (performance.now() > deadline) throw new Error('Redis is not used');
        await pause(250);
      }
  }

  it('Clerk is asked once a minute for all processes, also when all hear of a key at once', async () => {
    const clock = stopClock();
    const { secret } = clerk.anApiKey();
    const before = verifications();
    const all = (count: number) =>
      Promise.all(Array.from({ length: count }, (_, i) => seen(i % 2 ? first() : second(), secret)));
    expect((await all(1000)).filter(([status]) => status === 200)).toHaveLength(1000);
    expect(verifications()).toBe(before + 1);
    clock.goAhead(60_000);
    await all(20);
    expect(verifications()).toBe(before + 2);
  });

  it('a key that another process knows is no newcomer', async () => {
    const own = await startWithMachines(clerk, { REDIS_URL: redis.url }, first().database);
    const keys = Array.from({ length: 3 }, () => clerk.anApiKey().secret);
    for (const secret of keys) expect(await seen(first(), secret)).toEqual(OK);
    await Promise.all(Array.from({ length: 300 }, (_, i) => seen(own, `ak_${String(i).padStart(32, '0')}`)));
    const newcomers = Array.from({ length: 30 }, () => seen(own, clerk.anApiKey().secret));
    expect(await Promise.all(newcomers)).toContainEqual([429, 'rate_limited']);
    for (const secret of keys) expect(await seen(own, secret)).toEqual(OK);
  });

  it('a verdict goes with its minute, whoever keeps it there', async () => {
    const clock = stopClock();
    const { id, secret } = clerk.anApiKey();
    expect(await seen(first(), secret)).toEqual(OK);
    const old = (await kept(secret)) ?? '';
    expect(await redis.do((client) => client.pTTL(entryOf(secret)))).toBeLessThanOrEqual(120_000);
    clerk.apiKeys.revoke(id);
    clock.goAhead(59_999);
    expect(await seen(second(), secret)).toEqual(OK);
    clock.goAhead(1);
    await put(secret, old);
    expect(await seen(second(), secret)).toEqual(REVOKED);
    await put(secret, old);
    expect(await seen(first(), secret)).toEqual(REVOKED);
  });

  it('a verdict of a process whose clock is a little ahead counts no longer than one from here', async () => {
    const { id, secret } = clerk.anApiKey();
    const clock = stopClock();
    clock.set(900);
    expect(await seen(first(), secret)).toEqual(OK);
    clock.set(-900);
    const before = verifications();
    expect(await seen(second(), secret)).toEqual(OK);
    expect(verifications()).toBe(before);
    clerk.apiKeys.revoke(id);
    await redis.do((client) => client.flushAll());
    clock.goAhead(60_000);
    expect(await seen(second(), secret)).toEqual(REVOKED);
  });

  it('a verdict counts no longer because the clock is set back', async () => {
    const own = await startWithMachines(clerk, { REDIS_URL: redis.url }, first().database);
    const { id, secret } = clerk.anApiKey();
    const clock = stopClock();
    expect(await seen(first(), secret)).toEqual(OK);
    clerk.apiKeys.revoke(id);
    // Redis, whose clock runs on, has kept it for a minute
    await redis.do((client) => client.pExpire(entryOf(secret), 60_000));
    clock.goAhead(60_000);
    clock.set(-60_000);
    expect(await seen(own, secret)).toEqual(REVOKED);
  });

  it('a verdict from further ahead is none', async () => {
    const { secret } = clerk.anApiKey();
    const clock = stopClock();
    clock.set(3_600_000);
    expect(await seen(first(), secret)).toEqual(OK);
    clock.set(-3_600_000);
    const before = verifications();
    expect(await seen(second(), secret)).toEqual(OK);
    expect(verifications()).toBe(before + 1);
  });

  it('a verdict that was refused since does not come back, also while Clerk is away', async () => {
    const own = await startWithMachines(clerk, { REDIS_URL: redis.url }, first().database);
    const clock = stopClock();
    const { id, secret } = clerk.anApiKey();
    expect(await seen(own, secret)).toEqual(OK);
    const old = (await kept(secret)) ?? '';
    clerk.apiKeys.revoke(id);
    clock.goAhead(60_000);
    expect(await seen(own, secret)).toEqual(REVOKED);
    await put(secret, old);
    clerk.behaviour = 'fails';
    clock.goAhead(11_000);
    expect(await seen(own, secret)).toEqual([503, 'unavailable']);
  });

  it('a service that is another machine believes nothing of it', async () => {
    const env = { REDIS_URL: redis.url, CLERK_MACHINE_SECRET_KEY: clerk.machineSecretKey };
    const own = await startWithMachines(clerk, env, first().database);
    const { token } = clerk.anM2MToken({ scopes: ['mch_other'] });
    expect(await seen(first(), token)).toEqual(OK);
    for (let i = 0; i < 3; i++) expect(await seen(own, token)).toEqual(INVALID);
    expect(await seen(first(), token)).toEqual(OK);
  });

  describe('what somebody else wrote there', () => {
    const id = 'user_of_the_forger';
    const seal = (name: string, secret = ours(), purpose = PURPOSE, facts = {}) =>
      new Seal(secret, purpose).close(JSON.stringify({ ...verdict(), ...facts }), name);
    const verdict = () => ({
      principal: {
        tokenType: 'api_key',
        id: 'ak_forged',
        subject: id,
        clerkUserId: id,
        impersonatedBy: null,
        organization: null,
        scopes: [],
        issuedAt: Math.floor(Date.now() / 1000) + 1,
        claims: null,
      },
      freshUntil: Date.now() + 50_000,
      endsAt: null,
    });

    beforeAll(() => {
      clerk.aUser({ id });
    });

    const attempt = async (valueOf: (name: string) => string) => {
      const secret = `ak_${randomBytes(16).toString('hex')}`;
      await put(secret, valueOf(nameOf(secret)));
      return seen(second(), secret);
    };

    it('would be believed, had it our key: what follows fails for the seal alone', async () => {
      expect(await attempt((name) => seal(name))).toEqual(OK);
    });

    it.each<[string, (name: string) => string]>([
      ['sealed with another secret', (name) => seal(name, ours('sk_live_of_somebody_else'))],
      ['sealed for another purpose', (name) => seal(name, ours(), 'another purpose')],
      ['sealed for another token', () => seal(nameOf(clerk.anApiKey().secret))],
      ['sealed, and over', (name) => seal(name, ours(), PURPOSE, { freshUntil: Date.now() - 60_000 })],
      ['sealed, and no longer fresh', (name) => seal(name, ours(), PURPOSE, { freshUntil: Date.now() - 1000 })],
      ['sealed, of a token that is over', (name) => seal(name, ours(), PURPOSE, { endsAt: Date.now() - 1 })],
      ['sealed, and one bit changed', (name) => seal(name).replace(/^./, (head) => (head === 'A' ? 'B' : 'A'))],
      ['sealed, and cut off', (name) => seal(name).slice(0, -4)],
      ['sealed, and longer', (name) => `${seal(name)}AAAA`],
      ['not sealed', () => JSON.stringify(verdict())],
      ['in the form of a seal', () => Buffer.from(JSON.stringify(verdict())).toString('base64url')],
      ['short', () => 'AAAA'],
      ['empty', () => ''],
      ['long', () => '\0'.repeat(10_000_000)],
    ])('is not, %s', async (_, valueOf) => {
      expect(await attempt(valueOf)).toEqual(INVALID);
    });

    it('is not, without an end', async () => {
      const secret = `ak_${randomBytes(16).toString('hex')}`;
      await redis.do((client) => client.set(entryOf(secret), seal(nameOf(secret))));
      expect(await seen(second(), secret)).toEqual(INVALID);
    });

    it('is no text at all: no request fails for it', async () => {
      const { secret } = clerk.anApiKey();
      await redis.do((client) => client.lPush(entryOf(secret), ['a', 'b']));
      expect(await seen(second(), secret)).toEqual(OK);
    });
  });

  const leaseOf = (secret: string) => entryOf(secret).replace(':machine:', ':machine-lease:');

  it('a lease of who died is waited for, and no longer than it lasts', async () => {
    const { secret } = clerk.anApiKey();
    const expiration = { type: 'PX', value: 2500 } as const;
    await redis.do((client) => client.set(leaseOf(secret), randomUUID(), { expiration }));
    const start = performance.now();
    expect(await seen(first(), secret)).toEqual(OK);
    expect(performance.now() - start).toBeGreaterThan(2000);
  });

  it.each<[string, (lease: string) => Promise<unknown>]>([
    ['without an end', (lease) => redis.do((client) => client.set(lease, randomUUID()))],
    [
      'that lasts longer than ours do',
      (lease) => redis.do((client) => client.set(lease, randomUUID(), { expiration: { type: 'EX', value: 3600 } })),
    ],
    [
      'of another form',
      (lease) => redis.do((client) => client.set(lease, 'x', { expiration: { type: 'PX', value: 2500 } })),
    ],
    ['that is a list', (lease) => redis.do((client) => client.rPush(lease, randomUUID()))],
  ])(
    'a lease that somebody planted %s is not waited for',
    async (_what, plant) => {
      const { secret } = clerk.anApiKey();
      await plant(leaseOf(secret));
      // by a clock that stands still there is no end to a wait
      stopClock();
      expect(await seen(first(), secret)).toEqual(OK);
      expect(await redis.do((client) => client.exists(leaseOf(secret)))).toBe(1);
    },
    20_000,
  );

  it('a lease of another stays its own', async () => {
    const { secret } = clerk.anApiKey();
    const lease = leaseOf(secret);
    clerk.behaviour = 'hangs';
    const asked = seen(first(), secret);
    while ((await redis.do((client) => client.exists(lease))) === 0) await pause(5);
    await redis.do((client) => client.set(lease, 'of another'));
    expect(await asked).toEqual([503, 'unavailable']);
    expect(await redis.do((client) => client.get(lease))).toBe('of another');
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
    expect(await refusalOf(second(), secret)).toEqual(REVOKED);
  });

  it('that stops, hangs and comes back no request fails', async () => {
    const keys = Array.from({ length: 4 }, () => clerk.anApiKey().secret);
    const answers: unknown[][] = [];
    let isOver = false;
    const load = Promise.all(
      apps.map(async (app) => {
        for (let i = 0; !isOver; i++) answers.push(await seen(app, keys[i % keys.length] ?? ''));
      }),
    );
    const has = async (count: number) => until(() => answers.length >= count);
    try {
      await has(50);
      await redis.stop();
      await has(answers.length + 50);
      expect(await seen(first(), clerk.anApiKey().secret)).toEqual(OK);
      await redis.start();
      await connected();
      redis.signal('SIGSTOP');
      for (let i = 0; i < 8; i++) expect(await seen(second(), clerk.anApiKey().secret)).toEqual(OK);
      redis.signal('SIGCONT');
      await connected();
    } finally {
      redis.signal('SIGCONT');
      isOver = true;
      await load;
    }
    expect(answers.filter(([status]) => status !== 200)).toEqual([]);
  });
});

it('without a Redis where REDIS_URL leads, the application starts and serves', async () => {
  const app = await startWithMachines(clerk, { REDIS_URL: 'redis://127.0.0.1:1' });
  expect(await seen(app, clerk.anApiKey().secret)).toEqual(OK);
});
