import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createSigningKey } from '../local/clerk/signing-key.ts';
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
