import { beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import fc from 'fast-check';
import { modulesOf, requestChain } from '../src/app.module.ts';
import type { Claims } from '../src/auth/claims.ts';
import { type ActiveOrganization, CurrentPrincipal, type Principal } from '../src/auth/index.ts';
import { principalOf } from '../src/auth/principal.ts';
import { readSettings } from '../src/config/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

@Controller('organization')
class OrganizationController {
  @Get()
  show(@CurrentPrincipal() { organization }: Principal) {
    return { organization };
  }
}

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk, {}, undefined, (env) => {
    @Module({ imports: modulesOf(readSettings(env)), providers: requestChain, controllers: [OrganizationController] })
    class TestModule {}
    return TestModule;
  });
});

const ask = (claims: Record<string, unknown>) => app.as(clerk.aToken(claims), '/organization');
const acme = { id: 'org_1', slg: 'acme', rol: 'admin' };
const version1 = { v: undefined, org_id: 'org_1', org_slug: 'acme', org_role: 'org:admin' };
const organization = (permissions: string[], facts: Partial<ActiveOrganization> = {}) => ({
  organization: { clerkId: 'org_1', slug: 'acme', role: 'org:admin', permissions, ...facts },
});

const MANY = Array.from({ length: 70 }, (_, i) => `action${i}`);
/** The first, the last, and one beyond what a double can tell from its neighbours. */
const MANY_MASK = String(1n + (1n << 54n) + (1n << 69n));

describe('the organization of a token', () => {
  it.each<[string, Record<string, unknown>, object]>([
    ['is none', {}, { organization: null }],
    ['is none where features are the user’s', { fea: 'u:exports', pla: 'u:pro' }, { organization: null }],
    ['has no permissions without per and fpm', { fea: 'o:projects', o: acme }, organization([])],
    ['has none without fpm', { fea: 'o:projects', o: { ...acme, per: 'read' } }, organization([])],
    ['has none without per', { fea: 'o:projects', o: { ...acme, fpm: '1' } }, organization([])],
    ['has none with per and fpm empty', { fea: '', o: { ...acme, per: '', fpm: '' } }, organization([])],
    ['has none without features', { o: { ...acme, per: 'read', fpm: '1' } }, organization([])],
    [
      'as in the example of Clerk’s documentation',
      { fea: 'o:dashboard,o:teams', o: { ...acme, per: 'manage,read', fpm: '3,2' } },
      organization(['org:dashboard:manage', 'org:dashboard:read', 'org:teams:read']),
    ],
    [
      'with features of the user last',
      { fea: 'o:a,ou:b,u:c', o: { ...acme, per: 'read,write', fpm: '1,2' } },
      organization(['org:a:read', 'org:b:write']),
    ],
    [
      'with more permissions than a number holds',
      { fea: 'o:a', o: { ...acme, per: MANY.join(','), fpm: MANY_MASK } },
      organization(['org:a:action0', 'org:a:action54', 'org:a:action69']),
    ],
    [
      'with bits that belong to no permission',
      { fea: 'o:a', o: { ...acme, per: 'read', fpm: '7' } },
      organization(['org:a:read']),
    ],
    [
      'with masks that belong to no feature',
      { fea: 'o:a', o: { ...acme, per: 'read', fpm: '0,1,1' } },
      organization([]),
    ],
    [
      'with features that have no mask',
      { fea: 'o:a,o:b', o: { ...acme, per: 'read', fpm: '1' } },
      organization(['org:a:read']),
    ],
    ['without a slug', { o: { ...acme, slg: undefined } }, organization([], { slug: null })],
    ['with an empty slug', { o: { ...acme, slg: '' } }, organization([], { slug: null })],
    ['with a slug that is null', { o: { ...acme, slg: null } }, organization([], { slug: null })],
    [
      'with a custom role',
      { o: { ...acme, rol: 'billing_manager' } },
      organization([], { role: 'org:billing_manager' }),
    ],
    ['with a role in full', { o: { ...acme, rol: 'org:admin' } }, organization([])],
    ['of the first version', { ...version1, org_permissions: ['org:a:read'] }, organization(['org:a:read'])],
    ['of the first version, named', { ...version1, v: 1 }, organization([])],
    ['of the first version, without a slug', { ...version1, org_slug: undefined }, organization([], { slug: null })],
    [
      'of the first version, with a slug that is null',
      { ...version1, org_slug: null },
      organization([], { slug: null }),
    ],
    ['of the first version, without one, and a slug that is null', { v: 1, org_slug: null }, { organization: null }],
    ['of the first version, without one, and an empty slug', { v: 1, org_slug: '' }, { organization: null }],
    ['of the first version, with a bare role', { ...version1, org_role: 'admin' }, organization([])],
    ['of the second version, whatever else is there', { ...version1, v: 2, org_id: 7 }, { organization: null }],
    ['of the first version, whatever else is there', { ...version1, o: 7 }, organization([])],
  ])('%s', async (_, claims, expected) => {
    const token = clerk.aToken(claims);
    for (let i = 0; i < 2; i++) {
      const { status, body } = await app.as(token, '/organization');
      expect([status, body]).toEqual([200, expected]);
    }
  });

  it.each<[string, Record<string, unknown>]>([
    ['null', { o: null }],
    ['a text', { o: 'org_1' }],
    ['a list', { o: [acme] }],
    ['empty', { o: {} }],
    ['without an id', { o: { ...acme, id: undefined } }],
    ['with the id of a user', { o: { ...acme, id: 'user_1' } }],
    ['with an id that is only a prefix', { o: { ...acme, id: 'org_' } }],
    ['with an id with a stray character', { o: { ...acme, id: 'org_1/org_2' } }],
    ['with an id that goes on in a second line', { o: { ...acme, id: 'org_1\n' } }],
    ['with an id that is too long', { o: { ...acme, id: `org_${'x'.repeat(101)}` } }],
    ['with an id in a list', { o: { ...acme, id: ['org_1'] } }],
    ['without a role', { o: { ...acme, rol: undefined } }],
    ['with an empty role', { o: { ...acme, rol: '' } }],
    ['with a role that is no text', { o: { ...acme, rol: { admin: true } } }],
    ['with a list of roles', { o: { ...acme, rol: ['admin'] } }],
    ['with a slug that is no text', { o: { ...acme, slg: 7 } }],
    ['with permissions in a list', { o: { ...acme, per: ['read'], fpm: '1' } }],
    ['with a mask that is a number', { fea: 'o:a', o: { ...acme, per: 'read', fpm: 1 } }],
    ['with masks in a list', { fea: 'o:a', o: { ...acme, per: 'read', fpm: ['1'] } }],
    ['with a negative mask', { fea: 'o:a', o: { ...acme, per: 'read', fpm: '-1' } }],
    ['with a hexadecimal mask', { fea: 'o:a', o: { ...acme, per: 'read', fpm: '0x1' } }],
    ['with a mask with an exponent', { fea: 'o:a', o: { ...acme, per: 'read', fpm: '1e3' } }],
    ['with a mask in other digits', { fea: 'o:a', o: { ...acme, per: 'read', fpm: '١' } }],
    ['with an empty mask', { fea: 'o:a,o:b', o: { ...acme, per: 'read', fpm: '1,' } }],
    ['with a mask without bounds', { fea: 'o:a', o: { ...acme, per: 'read', fpm: '9'.repeat(4000) } }],
    ['with a feature without a scope', { fea: 'projects', o: acme }],
    ['with a feature without a scope among others', { fea: 'o:a,b,o:c', o: acme }],
    ['with an empty feature', { fea: 'o:a,', o: acme }],
    ['with a blank for features', { fea: ' ', o: acme }],
    ['with features in a list', { fea: ['o:a'], o: acme }],
    ['with features that are null', { fea: null }],
    ['with a plan without a scope', { pla: 'free' }],
    ['with plans in an object', { pla: { o: 'free' } }],
    ['of a version that is a text', { v: '2', o: acme }],
    ['of a version that is null', { v: null }],
    ['of the first version, with a number for an id', { ...version1, org_id: 1 }],
    ['of the first version, with an empty id', { ...version1, org_id: '' }],
    ['of the first version, without a role', { ...version1, org_role: undefined }],
    ['of the first version, with a role that is no text', { ...version1, org_role: ['org:admin'] }],
    ['of the first version, with a slug that is no text', { ...version1, org_slug: {} }],
    ['of the first version, with permissions in a text', { ...version1, org_permissions: 'org:a:read' }],
    ['of the first version, with a permission that is no text', { ...version1, org_permissions: ['org:a:read', 7] }],
    ['of the first version, with an object for permissions', { ...version1, org_permissions: { includes: 1 } }],
    ['of the first version, a role without an organization', { v: undefined, org_role: 'org:admin' }],
    ['of the first version, permissions without an organization', { v: undefined, org_permissions: ['org:a:read'] }],
    ['of the first version, a slug without an organization', { v: undefined, org_slug: 'acme' }],
  ])('%s is no form of Clerk’s: the token is refused', async (_, claims) => {
    const token = clerk.aToken(claims);
    for (let i = 0; i < 2; i++) {
      const { status, body } = await app.as(token, '/organization');
      expect([status, body.code]).toEqual([401, 'token_invalid']);
    }
  });

  it('of any form at all is accepted or refused, without a failure of ours', async () => {
    const o = fc.oneof(
      fc.jsonValue(),
      fc.record({ id: fc.constant('org_1'), rol: fc.string(), per: fc.string(), fpm: fc.string() }),
    );
    const claims = fc.record(
      {
        v: fc.constantFrom<unknown>(1, 2, 3, '2'),
        o,
        fea: fc.oneof(fc.string(), fc.jsonValue()),
        pla: fc.jsonValue(),
        org_id: fc.constantFrom<unknown>('org_1', 7),
        org_role: fc.jsonValue(),
        org_permissions: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(claims, async (given) => {
        const { status, body } = await ask(given);
        expect([status, body.code]).toEqual(status === 200 ? [200, undefined] : [401, 'token_invalid']);
      }),
      { numRuns: 300 },
    );
  });

  it('is decoded once for a token, and no handler can change it', () => {
    const claims = claimsWith({ v: 2, fea: 'o:a', o: { ...acme, per: 'read', fpm: '1' } });
    const { organization: first } = principalOf(claims);
    expect(principalOf(claims).organization).toBe(first);
    expect(Object.isFrozen(first) && Object.isFrozen(first?.permissions)).toBe(true);
  });
});

const claimsWith = (claims: object) => ({ sub: 'user_1', sid: 'sess_1', iss: '', iat: 1, exp: 2, ...claims }) as Claims;
