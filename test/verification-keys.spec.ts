import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createSigningKey } from '../local/clerk/signing-key.ts';
import { Seal } from '../src/auth/seal.ts';
import { startApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { ClerkProxy } from './support/clerk-proxy.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';

let clerk: TestClerk;
let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
beforeEach(async () => {
  clerk = await TestClerk.start();
});

const fetches = () => clerk.callsTo('/v1/jwks');

describe('made-up key ids', () => {
  it('cost one fetch in 30 seconds, ten thousand of them at once', async () => {
    const app = await startApp(clerk);
    const token = clerk.aToken();
    const flood = async (from: number) => {
      for (let i = from; i < 10_000; i += 50) {
        const { body } = await app.as(clerk.aToken({}, { kid: `ins_${i}` }).replace(/[^.]+$/, 'AAAA'), '/v1/me');
        expect(body.code).toBe('token_invalid');
      }
    };
    const began = performance.now();
    await Promise.all(Array.from({ length: 50 }, (_, from) => flood(from)));
    expect(fetches()).toBeGreaterThanOrEqual(1);
    expect(fetches()).toBeLessThanOrEqual(1 + Math.floor((performance.now() - began) / 30_000));
    expect((await app.as(token, '/v1/me')).status).toBe(200);
  });

  it.each(['fails', 'hangs', 'refuses'] as const)('do not multiply fetches while the key set %s', async (behaviour) => {
    const app = await startApp(clerk);
    clerk.behaviour = behaviour;
    await Promise.all(Array.from({ length: 200 }, (_, i) => app.as(clerk.aToken({}, { kid: `ins_${i}` }), '/v1/me')));
    expect(fetches()).toBe(1);
  });
});

describe('the keys', () => {
  it('are used where others in the set cannot be read', async () => {
    const proxy = await ClerkProxy.start(clerk.origin);
    proxy.meddle = ({ path, body }) =>
      path.startsWith('/v1/jwks') && (body as { keys: unknown[] }).keys.unshift(null, 'x', {});
    const app = await startApp(clerk, { CLERK_API_URL: proxy.url });
    expect((await app.as(clerk.aToken(), '/v1/me')).status).toBe(200);
  });

  it.each(['fails', 'hangs', 'refuses'] as const)('outlive a restart while Clerk %s', async (behaviour) => {
    const ada = clerk.aUser();
    const first = await startApp(clerk, {}, database);
    expect((await first.as(clerk.aToken({ sub: ada.id }), '/v1/me')).status).toBe(200);
    await first.app.close();
    clerk.behaviour = behaviour;
    const second = await startApp(clerk, {}, database);
    const { status, body } = await second.as(clerk.aToken({ sub: ada.id }), '/v1/me');
    expect([status, (body.user as { email: string }).email]).toEqual([200, `${ada.id}@example.com`]);
  });

  describe('in a row that somebody else wrote', () => {
    const mallory = createSigningKey();
    const secretOf = ({ env }: TestClerk) => env.CLERK_SECRET_KEY ?? '';
    const sealed = (keys: object[], secret: string, issuer: string) =>
      new Seal(secret, 'gatehouse verification keys 1').close(JSON.stringify(keys), issuer);
    const rowOf = async ({ origin }: TestClerk): Promise<unknown> => {
      const sql = 'select keys from verification_keys where issuer = $1';
      return (await database.query<{ keys: unknown }>(sql, [origin]))[0]?.keys;
    };
    const write = (keys: unknown) =>
      database.query('update verification_keys set keys = $1::jsonb where issuer = $2', [
        JSON.stringify(keys),
        clerk.origin,
      ]);

    /** What tokens get after a restart while Clerk's key set is not to be had. */
    async function served(keys: (row: unknown) => unknown, tokens: () => string[]) {
      const first = await startApp(clerk, {}, database);
      await first.app.close();
      await write(keys(await rowOf(clerk)));
      clerk.behaviour = 'fails';
      const second = await startApp(clerk, {}, database);
      const answers = await Promise.all(tokens().map((token) => second.as(token, '/v1/me')));
      await second.app.close();
      return answers.map(({ status }) => status);
    }

    const good = () => clerk.aToken();
    const beside = () => clerk.aToken({}, { kid: mallory.kid }, mallory);
    const instead = () => clerk.aToken({}, { kid: clerk.key.kid }, mallory);
    const under = (kid: string) => ({ ...mallory.jwk, kid });

    it.each<[string, (row: unknown) => unknown]>([
      ['is a key beside that of Clerk', () => [clerk.key.jwk, mallory.jwk]],
      ['is a key under the id of that of Clerk', () => [under(clerk.key.kid)]],
      ['is both', () => [under(clerk.key.kid), mallory.jwk, clerk.key.jwk]],
      ['is the text of them', () => JSON.stringify([clerk.key.jwk, mallory.jwk])],
      ['is sealed with another secret', () => sealed([under(clerk.key.kid), mallory.jwk], 'sk_test_x', clerk.origin)],
      ['is sealed for another issuer', () => sealed([mallory.jwk], secretOf(clerk), 'https://other.example')],
      [
        'is the sealed one with a bit changed',
        (row) => String(row).replace(/^./, (head) => (head === 'A' ? 'B' : 'A')),
      ],
      ['is garbage', () => 'garbage'],
      ['is a number', () => 5],
      ['is null', () => null],
      ['is an object', () => ({ keys: [mallory.jwk] })],
    ])('verify nothing when it %s, and no good token gets a 401', async (_what, keys) => {
      expect(await served(keys, () => [beside(), instead(), good()])).toEqual([503, 503, 503]);
    });

    it('are those of another issuer: they verify nothing', async () => {
      const other = await TestClerk.start();
      await (await startApp(other, {}, database)).app.close();
      const theirs = await rowOf(other);
      expect(
        await served(
          () => theirs,
          () => [clerk.aToken({}, {}, other.key), good()],
        ),
      ).toEqual([503, 503]);
    });

    it.each([
      ['a new id', false],
      ['the same id', true],
    ])('are older ones of Clerk, which signs under %s: no good token gets a 401', async (_what, sameId) => {
      const old = await startApp(clerk, {}, database);
      await old.app.close();
      const before = await rowOf(clerk);
      clerk.rotateKey({ sameId });
      expect(
        await served(
          () => before,
          () => [good()],
        ),
      ).toEqual([503]);
    });

    it('serve as before when nobody did', async () => {
      expect(
        await served(
          (row) => row,
          () => [beside(), instead(), good()],
        ),
      ).toEqual([503, 503, 200]);
    });

    it('are written anew by a start that fetches them', async () => {
      await (await startApp(clerk, {}, database)).app.close();
      await write([mallory.jwk]);
      await (await startApp(clerk, {}, database)).app.close();
      expect(
        await served(
          (row) => row,
          () => [good(), beside()],
        ),
      ).toEqual([200, 503]);
    });
  });

  it('that were never had make tokens 503, not 401, and no request fetches them', async () => {
    clerk.behaviour = 'fails';
    const app = await startApp(clerk);
    for (let i = 0; i < 20; i++) {
      const { status, headers, body } = await app.as(clerk.aToken(), '/v1/me');
      expect([status, body.code]).toEqual([503, 'unavailable']);
      expect(headers['retry-after']).toBeDefined();
    }
    expect(fetches()).toBe(1);
    const ready = await app.call('/readyz');
    expect([ready.status, ready.body.checks]).toMatchObject([503, { keys: { status: 'down' } }]);
  });

  it('of another issuer in the same database are not ours', async () => {
    const other = await TestClerk.start();
    await startApp(other, {}, database);
    const app = await startApp(clerk, {}, database);
    const forged = clerk.aToken({}, { kid: other.key.kid }, other.key);
    expect((await app.as(forged, '/v1/me')).body.code).toBe('token_invalid');
  });

  it('in CLERK_JWT_KEY, with escaped line breaks too, need no network', async () => {
    clerk.behaviour = 'refuses';
    const app = await startApp(clerk, { CLERK_JWT_KEY: clerk.key.publicKeyPem.replaceAll('\n', '\\n') });
    expect((await app.as(clerk.aToken({ email: 'ada@example.com' }), '/v1/me')).status).toBe(200);
    const forged = clerk.aToken({}, {}, createSigningKey());
    expect((await app.as(forged, '/v1/me')).body.code).toBe('token_invalid');
    expect(fetches()).toBe(0);
  });

  it.each([
    ['a new id', false],
    ['the same id', true],
  ])(
    'are fetched again for %s after 30 seconds, and a key that is gone takes its tokens along',
    async (_, sameId) => {
      const app = await startApp(clerk);
      const lasting = () => clerk.aToken({ exp: Math.floor(Date.now() / 1000) + 600 });
      const before = lasting();
      expect((await app.as(before, '/v1/me')).status).toBe(200);
      clerk.rotateKey({ sameId });
      expect((await app.as(lasting(), '/v1/me')).body.code).toBe('token_invalid');
      expect(fetches()).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 30_000));
      expect((await app.as(lasting(), '/v1/me')).status).toBe(200);
      expect((await app.as(before, '/v1/me')).body.code).toBe('token_invalid');
      expect(fetches()).toBe(2);
    },
    60_000,
  );
});
