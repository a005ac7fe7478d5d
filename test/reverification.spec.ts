import { validateReverificationConfig } from '@clerk/shared/authorization';
import { isReverificationHint, reverificationError } from '@clerk/shared/authorization-errors';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Accepts, RequireReverification, RequireRole } from '../src/auth/index.ts';
import type { TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { aController, PASSED, seen, startWith } from './support/rules.ts';

type Config = Parameters<typeof RequireReverification>[0];

/** Of each kind, with the oldest proof that will do, in minutes since the first factor and the second, and one too old. */
const CONFIGS: [path: string, config: Config, fresh: [number, number], stale: [number, number]][] = [
  ['strict_mfa', 'strict_mfa', [9, 9], [9, 10]],
  ['strict', 'strict', [99, 9], [9, 10]],
  ['moderate', 'moderate', [99, 59], [59, 60]],
  ['lax', 'lax', [9999, 1439], [1439, 1440]],
  ['first', { level: 'first_factor', afterMinutes: 5 }, [4, 99], [5, 4]],
  ['second', { level: 'second_factor', afterMinutes: 1 }, [99, 0], [0, 1]],
  ['both', { level: 'multi_factor', afterMinutes: 5 }, [4, 4], [4, 5]],
];
const REFUSED = [403, 'reverification_required'];

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startWith(clerk, [
    ...CONFIGS.map(([path, config]) => aController(path, [], [RequireReverification(config)])),
    aController('admins', [], [RequireRole('org:admin'), RequireReverification('moderate')]),
    aController('keys', [], [Accepts('api_key'), RequireReverification('strict')]),
  ]);
});

const stale = () => clerk.aToken({ fva: [9999, 9999] });

describe('a proof of who the user is', () => {
  it.each(CONFIGS)(
    'does as long as it is fresh: /%s, which asks for %j, after %j and not %j',
    async (path, _, ...ages) => {
      const [fresh, old] = ages.map((fva) => clerk.aToken({ fva })) as [string, string];
      expect(await seen(app, fresh, `/${path}`)).toEqual(PASSED);
      expect(await seen(app, old, `/${path}`)).toEqual(REFUSED);
    },
  );

  it.each(CONFIGS)('is missed in a token that says nothing of one: /%s', async (path) => {
    expect(await seen(app, clerk.aToken({ fva: undefined }), `/${path}`)).toEqual(REFUSED);
  });

  it('is of its token: that of a fresh one passes, and the old one is refused again', async () => {
    const { id: sub } = clerk.aUser();
    const [old, fresh] = [clerk.aToken({ sub, fva: [10, -1] }), clerk.aToken({ sub, fva: [0, -1] })];
    for (let i = 0; i < 2; i++) {
      expect(await seen(app, old, '/strict')).toEqual(REFUSED);
      expect(await seen(app, fresh, '/strict')).toEqual(PASSED);
    }
  });
});

describe('who has to show who they are', () => {
  it.each(CONFIGS)(
    'is told so in the words that Clerk’s useReverification() understands: /%s',
    async (path, config) => {
      const answered = await fetch(`${app.url}/${path}`, { headers: { authorization: `Bearer ${stale()}` } });
      const body: unknown = await answered.json();
      expect([answered.status, body]).toEqual([403, expect.objectContaining({ code: 'reverification_required' })]);
      expect(isReverificationHint(body)).toBe(true);
      expect(body).toMatchObject({ status: 403, ...reverificationError(config) });
      const { reverification: asked } = (body as ReturnType<typeof reverificationError>).clerk_error.metadata ?? {};
      expect(asked).toEqual(config);
      expect(validateReverificationConfig(asked)).toBeInstanceOf(Function);
    },
  );

  it('gets a problem document', async () => {
    const { headers, body } = await app.as(stale(), '/strict?x=1');
    expect(headers['content-type']).toContain('application/problem+json');
    expect(headers['www-authenticate']).toBeUndefined();
    expect(body).toMatchObject({ type: '/problems/reverification_required', instance: '/strict' });
  });

  it.each([
    ['who lacks a role as well', '/admins', stale, 'tenant_required'],
    ['a machine', '/keys', () => clerk.anApiKey().secret, 'reverification_required'],
  ])('is not told so where that would not help: %s', async (_, path, token, code) => {
    const { body } = await app.as(token(), path);
    expect(body.code).toBe(code);
    expect(isReverificationHint(body)).toBe(false);
    expect(body).not.toHaveProperty('clerk_error');
  });
});
