import { signedInAuthObject } from '@clerk/backend/internal';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CallerEntitlements, type EntitlementsOfCaller } from '../src/auth/caller-entitlements.service.ts';
import { type Claims, refusalOfClaims } from '../src/auth/claims.ts';
import { type MachinePrincipal, type Principal, principalOf } from '../src/auth/principal.ts';
import type { Reverification, Rule } from '../src/auth/rule.ts';
import { refusalOfRules } from '../src/auth/rules.ts';
import { TOKEN_TYPES } from '../src/auth/token-type.ts';

type ClaimRow = [what: string, claims: Record<string, unknown>, rules: Rule[], decision: string];

const NOW_S = 1_800_000_000;
const ISSUER = 'https://clerk.example.com';
const CLAIM_RULES = { issuers: [ISSUER], authorizedParties: undefined, clockSkewMs: 0, maxTokenLifetimeS: 60 };

const role = (name: string): Rule => ({ refusal: 'role_required', role: name });
const permission = (name: string): Rule => ({ refusal: 'permission_required', permission: name });
const feature = (name: string): Rule => ({ refusal: 'feature_required', feature: name });
const plan = (name: string): Rule => ({ refusal: 'plan_required', plan: name });
const fresh = (reverification: Reverification): Rule => ({ refusal: 'reverification_required', reverification });

const ADMIN = role('org:admin');
const WRITE = permission('org:projects:write');
const EXPORTS = feature('exports');
const PRO = plan('pro');
const STRICT = fresh('strict');
const PRESETS = ['strict_mfa', 'strict', 'moderate', 'lax'] as const;
const ALL = [ADMIN, WRITE, EXPORTS, PRO, STRICT];

const aSession = (claims: object) =>
  ({ iss: ISSUER, sub: 'user_1', sid: 'sess_1', iat: NOW_S, exp: NOW_S + 60, ...claims }) as Claims;

const acme = { id: 'org_1', slg: 'acme', rol: 'admin', per: 'read,write', fpm: '2' };
/** A token that meets all the rules above, in either version. */
const version2 = { v: 2, o: acme, fea: 'o:projects,u:exports', pla: 'o:pro', fva: [0, -1] };
const { o: _, ...unorganized } = version2;
const version1 = {
  ...unorganized,
  v: 1,
  org_id: 'org_1',
  org_role: 'org:admin',
  org_permissions: ['org:projects:write'],
};

/** What counts of a payer who is not mirrored. */
const claimedOf = (principal: Principal) => new CallerEntitlements().of(principal) as EntitlementsOfCaller;

/** Refuses as the guard does: the token, or the first of the rules. */
function ours(rules: Rule[], claims: Claims): string {
  const refusal = refusalOfClaims(claims, CLAIM_RULES, NOW_S * 1000);
  if (refusal) return refusal.refused;
  const principal = principalOf(claims);
  return refusalOfRules(rules, principal, claimedOf(principal))?.code ?? 'passed';
}

/** Clerk's published auth object, which is asked for all of it at once. */
function clerkOf(claims: Claims) {
  const { orgId, has } = signedInAuthObject({}, 'token', claims as never);
  const passes = (rules: Rule[]) => has(Object.assign({}, ...rules.map(({ refusal, ...asked }) => asked)) as never);
  return { orgId, passes };
}

function theirs(rules: Rule[], claims: Claims): 'passed' | 'refused' | 'thrown' {
  try {
    return clerkOf(claims).passes(rules) ? 'passed' : 'refused';
  } catch {
    return 'thrown';
  }
}

/** Of us and of Clerk. */
const decisions = (rules: Rule[], claims: object) => [ours(rules, aSession(claims)), theirs(rules, aSession(claims))];
const agreed = (decision: string) => [decision, decision === 'passed' ? 'passed' : 'refused'];

const shown = (rows: ClaimRow[]) => rows.map(([what, claims, rules, decision]) => ({ what, claims, rules, decision }));

describe('what we decide, Clerk’s own auth object decides:', () => {
  it.each(
    shown([
      ['the role of the token', { ...version2 }, [ADMIN], 'passed'],
      ['the role of a token of version 1', version1, [ADMIN], 'passed'],
      ['a bare role of version 1', { ...version1, org_role: 'admin' }, [ADMIN], 'passed'],
      ['a role asked without the prefix', version2, [role('admin')], 'passed'],
      ['a role with the prefix twice', { ...version2, o: { ...acme, rol: 'org:org:admin' } }, [ADMIN], 'passed'],
      ['another role', { ...version2, o: { ...acme, rol: 'member' } }, [ADMIN], 'role_required'],
      ['another case', { ...version2, o: { ...acme, rol: 'Admin' } }, [ADMIN], 'role_required'],
      ['a role with a blank', { ...version2, o: { ...acme, rol: 'admin ' } }, [ADMIN], 'role_required'],
      ['no organization', unorganized, [ADMIN], 'tenant_required'],
      ['no organization of version 1', { fva: [0, 0] }, [ADMIN], 'tenant_required'],
      ['version 1 claims under version 2', { ...version1, v: 2 }, [ADMIN], 'tenant_required'],
      ['version 2 claims under version 1', { ...version2, v: 1 }, [ADMIN], 'tenant_required'],
      ['version 2 claims under version 3', { ...version2, v: 3 }, [ADMIN], 'tenant_required'],
      ['version 1 claims without a version', { ...version1, v: undefined }, [ADMIN], 'passed'],
    ]),
  )('role: $what is $decision', ({ claims, rules, decision }) => {
    expect(decisions(rules, claims)).toEqual(agreed(decision));
  });

  it.each(
    shown([
      ['a permission of the token', version2, [WRITE], 'passed'],
      ['a permission of version 1', version1, [WRITE], 'passed'],
      ['a permission without the prefix', version2, [permission('projects:write')], 'passed'],
      ['a permission whose bit is not set', version2, [permission('org:projects:read')], 'permission_required'],
      ['one of another feature', version2, [permission('org:exports:write')], 'permission_required'],
      ['one whose feature is the user’s', { ...version2, fea: 'u:projects' }, [WRITE], 'permission_required'],
      ['one whose feature is of both', { ...version2, fea: 'uo:projects' }, [WRITE], 'passed'],
      ['one of a scope that is none', { ...version2, fea: 'x:projects' }, [WRITE], 'permission_required'],
      ['a token without features', { ...version2, fea: undefined }, [WRITE], 'permission_required'],
      ['a token without names', { ...version2, o: { ...acme, per: undefined } }, [WRITE], 'permission_required'],
      ['a token without masks', { ...version2, o: { ...acme, fpm: undefined } }, [WRITE], 'permission_required'],
      ['a mask of zero', { ...version2, o: { ...acme, fpm: '0' } }, [WRITE], 'permission_required'],
      ['a mask with bits to spare', { ...version2, o: { ...acme, fpm: '1022' } }, [WRITE], 'passed'],
      ['blanks between the names', { ...version2, o: { ...acme, per: 'read, write', fpm: ' 2' } }, [WRITE], 'passed'],
      ['no permissions of version 1', { ...version1, org_permissions: [] }, [WRITE], 'permission_required'],
      ['none at all of version 1', { ...version1, org_permissions: undefined }, [WRITE], 'permission_required'],
      ['no organization', unorganized, [WRITE], 'tenant_required'],
      [
        'a system permission, which no token has',
        version2,
        [permission('org:sys_memberships:manage')],
        'permission_required',
      ],
      ['a role with a permission', version2, [ADMIN, WRITE], 'passed'],
      ['a role without the permission', { ...version2, fea: '' }, [ADMIN, WRITE], 'permission_required'],
      ['a permission without the role', { ...version2, o: { ...acme, rol: 'm' } }, [ADMIN, WRITE], 'role_required'],
    ]),
  )('permission: $what is $decision', ({ claims, rules, decision }) => {
    expect(decisions(rules, claims)).toEqual(agreed(decision));
  });

  const ENTITLED: [scope: string, claim: string | undefined, isMet: boolean][] = [
    ['', 'o:it', true],
    ['', 'u:it', true],
    ['', 'ou:it', true],
    ['', 'uo:it', true],
    ['', 'u:other, o:it', true],
    ['', 'x:it', false],
    ['', 'org:it', false],
    ['', 'user:it', false],
    ['', 'ouo:it', false],
    ['', 'O:it', false],
    ['', ':it', false],
    ['', 'o:It', false],
    ['', 'o:it ,o:other', true],
    ['', 'o: it', false],
    ['', 'o:', false],
    ['', 'o:x:it', false],
    ['', '', false],
    ['', undefined, false],
    ...['o:', 'org:', 'organization:'].flatMap((scope): [string, string | undefined, boolean][] => [
      [scope, 'o:it', true],
      [scope, 'ou:it', true],
      [scope, 'uo:it', true],
      [scope, 'u:it', false],
      [scope, 'u:it,o:other', false],
      [scope, 'x:it', false],
      [scope, '', false],
      [scope, undefined, false],
    ]),
    ...['u:', 'user:'].flatMap((scope): [string, string | undefined, boolean][] => [
      [scope, 'u:it', true],
      [scope, 'ou:it', true],
      [scope, 'uo:it', true],
      [scope, 'o:it', false],
      [scope, 'o:it,u:other', false],
      [scope, 'x:it', false],
      [scope, '', false],
      [scope, undefined, false],
    ]),
    ['x:', 'x:it', false],
    ['ou:', 'ou:it', false],
    [':', 'o:it', false],
  ];

  it.each(ENTITLED)('feature and plan: of %jit, a claim of %j meets it: %j', (scope, claim, isMet) => {
    for (const base of [version2, version1, unorganized, {}]) {
      const [fea, pla] = [
        { ...base, fea: claim },
        { ...base, pla: claim },
      ];
      const agreedOr = (refusal: string) => agreed(isMet ? 'passed' : refusal);
      expect(decisions([feature(`${scope}it`)], fea)).toEqual(agreedOr('feature_required'));
      expect(decisions([plan(`${scope}it`)], pla)).toEqual(agreedOr('plan_required'));
    }
  });

  it.each(
    shown([
      ['a feature is no plan', { fea: 'o:pro' }, [PRO], 'plan_required'],
      ['a plan is no feature', { pla: 'o:exports' }, [EXPORTS], 'feature_required'],
      ['both there', { fea: 'o:exports', pla: 'u:pro' }, [EXPORTS, PRO], 'passed'],
      ['one not there', { fea: 'o:exports', pla: 'u:free' }, [EXPORTS, PRO], 'plan_required'],
      ['the other not there', { fea: 'o:import', pla: 'u:pro' }, [EXPORTS, PRO], 'feature_required'],
    ]),
  )('feature and plan: $what is $decision', ({ claims, rules, decision }) => {
    expect(decisions(rules, claims)).toEqual(agreed(decision));
  });

  const anHour: Reverification = { level: 'first_factor', afterMinutes: 60 };
  const bothInAnHour: Reverification = { level: 'multi_factor', afterMinutes: 60 };

  it.each<[Reverification, unknown, boolean]>([
    ['strict_mfa', [0, 0], true],
    ['strict_mfa', [9, 9], true],
    ['strict_mfa', [10, 9], false],
    ['strict_mfa', [9, 10], false],
    ['strict_mfa', [9, -1], true],
    ['strict_mfa', [10, -1], false],
    ['strict_mfa', [-1, 0], false],
    ['strict', [9, -1], true],
    ['strict', [9.9, -1], true],
    ['strict', [10, -1], false],
    ['strict', [999, 9], true],
    ['strict', [0, 10], false],
    ['strict', [-1, 9], true],
    ['strict', [-1, 10], false],
    ['moderate', [59, -1], true],
    ['moderate', [60, -1], false],
    ['moderate', [999, 59], true],
    ['moderate', [0, 60], false],
    ['moderate', [-1, 59], true],
    ['lax', [1439, -1], true],
    ['lax', [1440, -1], false],
    ['lax', [9999, 1439], true],
    ['lax', [0, 1440], false],
    [anHour, [59, -1], true],
    [anHour, [60, -1], false],
    [anHour, [60, 0], false],
    [anHour, [59, 999], true],
    [anHour, [-1, 0], false],
    [bothInAnHour, [59, 59], true],
    [bothInAnHour, [60, 59], false],
    [bothInAnHour, [59, 60], false],
    [bothInAnHour, [59, -1], true],
    [bothInAnHour, [-1, 59], false],
    [{ level: 'second_factor', afterMinutes: 0.5 }, [0, 0], true],
    [{ level: 'second_factor', afterMinutes: 0.5 }, [1, 1], false],
  ])('reverification: %j after %j meets it: %j', (asked, fva, isMet) => {
    const decision = isMet ? 'passed' : 'reverification_required';
    for (const base of [version2, version1, unorganized, {}])
      expect(decisions([fresh(asked)], { ...base, fva })).toEqual(agreed(decision));
  });

  it.each<[string, unknown]>([
    ['is absent', undefined],
    ['is null', null],
    ['says that nobody ever verified', [-1, -1]],
    ['is empty', []],
    ['has one age', [0]],
    ['has three', [0, 0, 0]],
    ['has a text', ['0', '0']],
    ['has a text for the second', [0, '0']],
    ['has “NaN”', ['NaN', 0]],
    ['has no number', [Number.NaN, 0]],
    ['has no number for the second', [0, Number.NaN]],
    ['has no end', [Number.POSITIVE_INFINITY, 0]],
    ['has a negative age', [-2, 0]],
    ['has a negative second', [0, -2]],
    ['has almost minus one', [-0.5, 0]],
    ['has minus infinity', [0, Number.NEGATIVE_INFINITY]],
    ['has null', [null, null]],
    ['has null for the second', [0, null]],
    ['has truth', [true, true]],
    ['has lists', [[0], [0]]],
    ['is a text', '0,0'],
    ['is an empty text', ''],
    ['is a number', 0],
    ['is truth', true],
    ['is like a list', { 0: 0, 1: 0, length: 2 }],
  ])('reverification: fva that %s meets none', (_what, fva) => {
    for (const asked of [...PRESETS, anHour, bothInAnHour])
      for (const base of [version2, version1, {}])
        expect(decisions([fresh(asked)], { ...base, fva })).toEqual(agreed('reverification_required'));
  });

  it.each<[string, unknown]>([
    ['a preset that is none', 'relaxed'],
    ['a name of every object', 'constructor'],
    ['no level', { afterMinutes: 10 }],
    ['a level that is none', { level: 'third_factor', afterMinutes: 10 }],
    ['no minutes', { level: 'first_factor' }],
    ['zero minutes', { level: 'first_factor', afterMinutes: 0 }],
    ['negative minutes', { level: 'first_factor', afterMinutes: -1 }],
    ['minutes in a text', { level: 'first_factor', afterMinutes: '10' }],
    ['minutes that are no number', { level: 'first_factor', afterMinutes: Number.NaN }],
    ['null', null],
    ['an empty text', ''],
  ])('reverification: %s asked, which no decorator lets through, is met by nobody', (_what, asked) => {
    expect(decisions([fresh(asked as never)], version2)).toEqual(agreed('reverification_required'));
  });

  it.each(
    shown([
      ['everything', version2, ALL, 'passed'],
      ['everything in version 1', version1, ALL, 'passed'],
      ['all but the organization', unorganized, ALL, 'tenant_required'],
      ['all but the role', { ...version2, o: { ...acme, rol: 'member' } }, ALL, 'role_required'],
      ['all but the permission', { ...version2, o: { ...acme, fpm: '1' } }, ALL, 'permission_required'],
      ['all but the feature', { ...version2, fea: 'o:projects' }, ALL, 'feature_required'],
      ['all but the plan', { ...version2, pla: 'o:free' }, ALL, 'plan_required'],
      ['all but the proof', { ...version2, fva: [10, -1] }, ALL, 'reverification_required'],
      ['all but the claim of plans', { ...version2, pla: undefined }, ALL, 'plan_required'],
      ['all but the claim of the proof', { ...version2, fva: undefined }, ALL, 'reverification_required'],
      ['a plan and a proof of who is in none', unorganized, [PRO, STRICT], 'passed'],
      ['a stale proof and no role, in this order', { fva: [10, 10] }, [STRICT, ADMIN], 'reverification_required'],
      ['no role and a stale proof, in this order', { fva: [10, 10] }, [ADMIN, STRICT], 'tenant_required'],
      ['nothing in the token', {}, [EXPORTS, PRO, STRICT], 'feature_required'],
    ]),
  )('together: $what is $decision', ({ claims, rules, decision }) => {
    expect(decisions(rules, claims)).toEqual(agreed(decision));
  });

  it.each(
    shown([
      ['features without a scope', { ...version2, fea: 'exports' }, [EXPORTS], 'token_invalid'],
      ['a role beside such', { ...version2, fea: 'exports' }, [ADMIN], 'token_invalid'],
      ['plans without a scope', { ...version2, pla: 'pro' }, [PRO], 'token_invalid'],
      ['features that end in a comma', { fea: 'o:exports,' }, [EXPORTS], 'token_invalid'],
      ['features in a list', { fea: ['o:exports'] }, [EXPORTS], 'token_invalid'],
      ['features in an object', { fea: { o: 'exports' } }, [EXPORTS], 'token_invalid'],
      ['features that are null', { fea: null }, [EXPORTS], 'token_invalid'],
      ['features that are truth', { fea: true }, [EXPORTS], 'token_invalid'],
      ['plans that are a number', { pla: 7 }, [PRO], 'token_invalid'],
      ['an organization without an id', { ...version2, o: { rol: 'admin' } }, [ADMIN], 'token_invalid'],
      ['an organization without a role', { ...version2, o: { id: 'org_1' } }, [ADMIN], 'token_invalid'],
      ['a role in a list', { ...version1, org_role: ['org:admin'] }, [ADMIN], 'token_invalid'],
      ['permissions in a text', { ...version1, org_permissions: 'org:projects:write' }, [WRITE], 'token_invalid'],
      ['a role without an organization', { v: 1, org_role: 'org:admin' }, [ADMIN], 'token_invalid'],
    ]),
  )('form: $what is $decision', ({ claims, rules, decision }) => {
    expect(ours(rules, aSession(claims))).toBe(decision);
    expect(theirs(rules, aSession(claims))).not.toBe('passed');
  });
});

describe('we refuse on purpose, where Clerk’s auth object would not:', () => {
  it.each(
    shown([
      ['features without a scope, of whom a plan is asked', { fea: 'x', pla: 'o:pro' }, [PRO], 'token_invalid'],
      ['plans without a scope, of whom a feature is asked', { pla: 'x', fea: 'o:exports' }, [EXPORTS], 'token_invalid'],
      ['features that are false', { ...version2, fea: false }, [ADMIN], 'token_invalid'],
      ['features that are null', { ...version2, fea: null }, [STRICT], 'token_invalid'],
      ['an organization that is null', { ...version2, o: null }, [STRICT], 'token_invalid'],
      ['an organization without a role', { ...version2, o: { id: 'org_1' } }, [PRO], 'token_invalid'],
      [
        'an organization with the id of a user',
        { ...version2, o: { ...acme, id: 'user_1' } },
        [ADMIN],
        'token_invalid',
      ],
      ['masks that are no numbers', { ...version2, o: { ...acme, fpm: '0x2' } }, [ADMIN], 'token_invalid'],
      ['masks without bounds', { ...version2, o: { ...acme, fpm: `2${'0'.repeat(101)}` } }, [ADMIN], 'token_invalid'],
      ['a version in a text', { ...version1, v: '2' }, [ADMIN], 'token_invalid'],
      ['a permission that is no text', { ...version1, org_permissions: [7] }, [ADMIN], 'token_invalid'],
      ['a role without an organization', { ...unorganized, v: 1, org_role: 'org:admin' }, [PRO], 'token_invalid'],
      ['an actor without a name', { ...version2, act: {} }, [ADMIN], 'token_invalid'],
      ['an actor that is null', { ...version2, act: null }, [STRICT], 'token_invalid'],
      ['a session with a task to finish', { ...version2, sts: 'pending' }, ALL, 'session_pending'],
    ]),
  )('$what is $decision', ({ claims, rules, decision }) => {
    expect(decisions(rules, claims)).toEqual([decision, 'passed']);
  });
});

describe('a machine, of which Clerk’s auth object says no to whatever is asked,', () => {
  const machines = TOKEN_TYPES.filter((type) => type !== 'session_token');
  const aMachine = (facts: Partial<MachinePrincipal>): MachinePrincipal => ({
    tokenType: 'api_key',
    id: 'ak_1',
    subject: 'user_1',
    clerkUserId: 'user_1',
    impersonatedBy: null,
    organization: null,
    scopes: [],
    clientId: null,
    issuedAt: NOW_S,
    claims: { ...version2 },
    ...facts,
  });
  const READ: Rule = { refusal: 'scope_required', scope: 'projects:read' };

  it.each(machines)('meets no rule of sessions, whatever its own claims say: %s', (tokenType) => {
    const principal = aMachine({ tokenType, organization: { clerkId: 'org_1', slug: null } });
    for (const rule of ALL) expect(refusalOfRules([rule], principal)?.code).toBe(rule.refusal);
  });

  it.each(machines)('is judged by its scopes where the route names one: %s', (tokenType) => {
    for (const rules of [[READ], [...ALL, READ], [READ, ...ALL]]) {
      expect(refusalOfRules(rules, aMachine({ tokenType, scopes: ['projects:read'] }))).toBeUndefined();
      expect(refusalOfRules(rules, aMachine({ tokenType, scopes: ['projects:write'] }))?.code).toBe('scope_required');
    }
  });

  it('needs every scope of several, to the letter', () => {
    const both: Rule[] = [READ, { refusal: 'scope_required', scope: 'projects:write' }];
    const decisionOf = (...scopes: string[]) => refusalOfRules(both, aMachine({ scopes }))?.code;
    expect(decisionOf('projects:write', 'projects:read')).toBeUndefined();
    for (const scopes of [
      [],
      ['projects:read'],
      ['projects:write'],
      ['projects:read projects:write'],
      ['*'],
      ['projects:'],
    ])
      expect(decisionOf(...scopes)).toBe('scope_required');
  });

  it('is asked for its tenant and its actor as anybody', () => {
    const rules: Rule[] = [READ, { refusal: 'tenant_required' }, { refusal: 'impersonation_forbidden' }];
    const scopes = ['projects:read'];
    const organization = { clerkId: 'org_1', slug: null };
    expect(refusalOfRules(rules, aMachine({ scopes, organization }))).toBeUndefined();
    expect(refusalOfRules(rules, aMachine({ scopes }))?.code).toBe('tenant_required');
    const impersonated = aMachine({ scopes, organization, impersonatedBy: 'user_2' });
    expect(refusalOfRules(rules, impersonated)?.code).toBe('impersonation_forbidden');
  });
});

describe('whatever a token says and a route asks', () => {
  const names = fc.constantFrom(
    'admin',
    'member',
    'ADMIN',
    'admin ',
    'org:admin',
    'org:',
    '__proto__',
    'sys_x',
    'a',
    'b',
  );
  const slugs = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('a', 'b') },
    { weight: 1, arbitrary: fc.constantFrom('A', 'a ', '', 'o', 'a:b', '__proto__') },
  );
  const roles = fc.oneof({ weight: 3, arbitrary: names }, { weight: 1, arbitrary: fc.string() });
  const listOf = (name: fc.Arbitrary<string>) =>
    fc
      .array(
        fc.tuple(fc.constantFrom('o', 'o', 'u', 'ou', 'uo', 'x', ''), name).map((pair) => pair.join(':')),
        { maxLength: 4 },
      )
      .map((elements) => elements.join(','));
  const masks = fc.array(fc.oneof(fc.nat(20).map(String), fc.bigInt(0n, 1n << 80n).map(String)), { maxLength: 5 });
  const permissions = fc.array(names, { maxLength: 4 });
  const inVersion2 = fc.record({ rol: roles, per: permissions, fpm: masks }).map(({ rol, per, fpm }) => ({
    v: 2,
    o: { id: 'org_1', rol, per: per.join(','), fpm: fpm.join(',') },
  }));
  const keys = fc.oneof(
    fc.tuple(names, names).map(([a, b]) => `org:${a}:${b}`),
    fc.string(),
  );
  const inVersion1 = fc.record({
    org_id: fc.constant('org_1'),
    org_role: roles,
    org_permissions: fc.oneof(fc.array(keys), fc.constant(undefined)),
  });
  const malformed = fc.oneof(
    fc.record({ v: fc.constantFrom<unknown>(1, 2, '2', null), o: fc.jsonValue() }),
    fc.record({ org_id: fc.jsonValue(), org_role: fc.jsonValue(), org_permissions: fc.jsonValue() }),
  );
  const organizations = fc.oneof(
    { weight: 4, arbitrary: inVersion2 },
    { weight: 4, arbitrary: inVersion1 },
    { weight: 2, arbitrary: fc.constantFrom<object>({ v: 2 }, {}) },
    { weight: 1, arbitrary: malformed },
  );
  const lists = (name: fc.Arbitrary<string>) =>
    fc.oneof(
      { weight: 12, arbitrary: listOf(name) },
      { weight: 1, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.oneof(fc.string(), fc.jsonValue()) },
    );
  const ages = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(-1, 0, 0.5, 9, 10, 59, 60, 1439, 1440) },
    { weight: 1, arbitrary: fc.oneof(fc.double(), fc.constantFrom<unknown>(null, '0', Number.NaN, -2, true)) },
  );
  const proofs = fc.oneof(
    { weight: 12, arbitrary: fc.tuple(ages, ages) },
    { weight: 1, arbitrary: fc.oneof(fc.array(ages), fc.jsonValue(), fc.constant(undefined)) },
  );
  const anyClaims = fc
    .record({
      fea: lists(fc.oneof({ weight: 1, arbitrary: names }, { weight: 2, arbitrary: slugs })),
      pla: lists(slugs),
      fva: proofs,
      organization: organizations,
    })
    .map(({ organization, ...claims }) => aSession({ ...claims, ...organization }));

  const scopes = fc.constantFrom('', '', 'o:', 'org:', 'organization:', 'u:', 'user:', 'x:');
  const entitlement = fc.tuple(scopes, slugs).map((pair) => pair.join(''));
  const reverifications = fc.oneof(
    fc.constantFrom(...PRESETS),
    fc.record({
      level: fc.constantFrom('first_factor', 'second_factor', 'multi_factor', 'none' as never),
      afterMinutes: fc.constantFrom(0.1, 1, 10, 60, 1440, 0, -1, Number.NaN),
    }),
  );
  /** At most one of each dimension, as Clerk can be asked at once, in any order. */
  const anyRules = fc
    .record({
      role: fc.oneof(names, fc.string()).map((name) => role(`org:${name}`)),
      permission: fc.tuple(names, names).map(([a, b]) => permission(`org:${a}:${b}`)),
      feature: entitlement.map(feature),
      plan: entitlement.map(plan),
      reverification: reverifications.map(fresh),
      order: fc.shuffledSubarray(['role', 'permission', 'feature', 'plan', 'reverification'] as const, {
        minLength: 1,
      }),
    })
    .map(({ order, ...all }) => order.map((name) => all[name]));

  const oneOf = (all: readonly string[], index: number) => all[index % all.length] ?? '';
  const slugIn = (list: unknown, index: number) => oneOf(String(list).split(','), index).replace(/^\w*:/, '');

  /** In place of a rule at random one that they meet by what they hold, where they hold something. */
  function held(claims: Claims, { refusal }: Rule, index: number): Rule {
    const { role: theirRole = '', permissions: all = [] } = principalOf(claims).organization ?? {};
    if (refusal === 'role_required') return role(theirRole);
    if (refusal === 'permission_required') return permission(oneOf(all, index));
    if (refusal === 'feature_required') return feature(slugIn(claims.fea, index));
    return refusal === 'plan_required'
      ? plan(slugIn(claims.pla, index))
      : fresh(oneOf(PRESETS, index) as Reverification);
  }

  const isRefusedAsToken = (claims: Claims) => ours([], claims) === 'token_invalid';

  it('we let through whom Clerk’s own auth object lets through, and name the first rule that it does not', () => {
    const decided: Record<string, number> = {};
    const count = (what: string) => (decided[what] = (decided[what] ?? 0) + 1);
    fc.assert(
      fc.property(anyClaims, anyRules, fc.option(fc.nat()), (claims, chosen, index) => {
        if (isRefusedAsToken(claims)) {
          count('token refused');
          return;
        }
        const rules = index === null ? chosen : chosen.map((rule) => held(claims, rule, index));
        const { orgId, passes } = clerkOf(claims);
        const unmet = rules.find((rule) => !passes([rule]));
        const isOfTenant = unmet?.refusal === 'role_required' || unmet?.refusal === 'permission_required';
        expect(ours(rules, claims)).toBe(isOfTenant && !orgId ? 'tenant_required' : (unmet?.refusal ?? 'passed'));
        expect(passes(rules)).toBe(!unmet);
        count(`${rules.length} together, ${!unmet}`);
        for (const rule of rules) {
          expect(ours([rule], claims) === 'passed').toBe(passes([rule]));
          count(`${rule.refusal}, ${passes([rule])}`);
        }
      }),
      { numRuns: 6000 },
    );
    const dimensions = ALL.flatMap(({ refusal }) => [`${refusal}, true`, `${refusal}, false`]);
    const combinations = [1, 2, 3].flatMap((some) => [`${some} together, true`, `${some} together, false`]);
    const rare = (all: string[], times: number) => all.filter((what) => !((decided[what] ?? 0) >= times));
    expect(rare(dimensions, 250)).toEqual([]);
    expect(rare([...combinations, '5 together, false', 'token refused'], 30)).toEqual([]);
  });

  it('several rules, of one dimension or more, are met where each is', () => {
    fc.assert(
      fc.property(anyClaims, fc.array(anyRules, { maxLength: 3 }), (claims, all) => {
        fc.pre(!isRefusedAsToken(claims));
        const { passes } = clerkOf(claims);
        expect(ours(all.flat(), claims) === 'passed').toBe(all.flat().every((rule) => passes([rule])));
      }),
      { numRuns: 1000 },
    );
  });
});
