import { beforeAll, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Post } from '@nestjs/common';
import { z } from 'zod';
import {
  Accepts,
  RequireFeature,
  RequirePermission,
  RequireReverification,
  RequireRole,
  RequireScope,
  RequireTenant,
} from '../src/auth/index.ts';
import type { TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import {
  aController,
  aMember,
  type Decorator,
  MEETS_ALL,
  PASSED,
  PLACES,
  RULES,
  seen,
  startWith,
} from './support/rules.ts';

@Controller('writes')
class WritesController {
  @Post()
  @RequireTenant()
  write(@Body({ schema: z.object({ name: z.string() }) }) { name }: { name: string }) {
    return { name };
  }
}

@Controller('parents')
@RequireRole('org:admin')
class ParentsController {
  @Get('inherited')
  inherited() {
    return {};
  }

  @Get('overridden')
  @RequirePermission('org:projects:read')
  overridden() {
    return {};
  }
}

@Controller('heirs')
@RequireTenant()
class HeirsController extends ParentsController {
  @Get('overridden')
  @RequirePermission('org:projects:write')
  override overridden() {
    return {};
  }
}

/** Each rule, with who meets it and who does not. */
const KINDS = [
  ...RULES.map(({ code, rule, unmet }) => ({
    code,
    rules: [rule],
    met: () => clerk.aToken(MEETS_ALL),
    unmet: () => clerk.aToken({ ...MEETS_ALL, ...unmet }),
  })),
  {
    code: 'scope_required',
    rules: [Accepts('api_key'), RequireScope('projects:read')],
    met: () => reader,
    unmet: () => writer,
  },
];

/** How several rules are shared between a controller, which is asked first, and its handler. */
const SPLITS: [split: string, path: string, onController: (rules: Decorator[]) => number][] = [
  ['on a handler', 'all/handler', () => 0],
  ['on a controller', 'all/controller', ({ length }) => length],
  ['on both', 'all/both', ({ length }) => Math.ceil(length / 2)],
];
const split = (path: string, rules: Decorator[], count: number) =>
  aController(path, rules.slice(0, count), rules.slice(count));

/** Two rules of one kind, with who meets the first, the second, and both. */
const PAIRS: [string, [Decorator, Decorator], code: string, meeting: Record<'first' | 'second' | 'both', object>][] = [
  [
    'permissions',
    [RequirePermission('org:projects:read'), RequirePermission('org:projects:write')],
    'permission_required',
    { first: masked('1'), second: masked('2'), both: masked('3') },
  ],
  [
    'features',
    [RequireFeature('user:it'), RequireFeature('org:it')],
    'feature_required',
    { first: { fea: 'u:it' }, second: { fea: 'o:it' }, both: { fea: 'ou:it' } },
  ],
  [
    'proofs',
    [RequireReverification({ level: 'first_factor', afterMinutes: 60 }), RequireReverification('strict')],
    'reverification_required',
    { first: { fva: [59, 10] }, second: { fva: [60, 9] }, both: { fva: [59, 9] } },
  ],
];

function masked(fpm: string) {
  return { fea: 'o:projects', o: { id: 'org_1', rol: 'member', per: 'read,write', fpm } };
}

const all = RULES.map(({ rule }) => rule);
/** All of them, from each on. */
const rotated = RULES.map(({ code }, index) => ({ code, rules: [...all.slice(index), ...all.slice(0, index)] }));

const controllers = [
  aController('none', [], []),
  aController('admins', [], [RequireRole('org:admin')]),
  aController('owners', [RequireRole('org:admin')], [RequireRole('org:owner')]),
  ...PLACES.flatMap(([, path, withRules]) => KINDS.map(({ code, rules }) => withRules(`${path}/${code}`, rules))),
  ...SPLITS.map(([, path, count]) => split(path, all, count(all))),
  ...rotated.flatMap(({ code, rules }) => [0, 1, 3].map((count) => split(`first/${code}/${count}`, rules, count))),
  ...PAIRS.flatMap(([path, rules]) => [0, 1, 2].map((count) => split(`${path}/${count}`, rules, count))),
];

let clerk: TestClerk;
let app: TestApp;
/** Keys; not one more for each test, since new ones are limited. */
let reader: string;
let writer: string;

beforeAll(async () => {
  clerk = await TestClerk.start();
  reader = clerk.anApiKey({ scopes: ['projects:read'] }).secret;
  writer = clerk.anApiKey({ scopes: ['projects:write'] }).secret;
  app = await startWith(clerk, [WritesController, ParentsController, HeirsController, ...controllers]);
});

describe.each(PLACES)('a rule on %s', (_, path) => {
  it.each(KINDS)('lets through who meets it, and nobody else: $code', async ({ code, met, unmet }) => {
    const [one, other] = [met(), unmet()];
    for (let i = 0; i < 2; i++) {
      expect(await seen(app, one, `/${path}/${code}`)).toEqual(PASSED);
      expect(await seen(app, other, `/${path}/${code}`)).toEqual([403, code]);
    }
  });
});

describe('a rule', () => {
  it.each(['role_required', 'permission_required'])(
    'of members says first that there is no tenant: %s',
    async (code) => {
      expect(await seen(app, clerk.aToken(), `/handler/${code}`)).toEqual([403, 'tenant_required']);
    },
  );

  it('that is inherited is asked beside those of the heir', async () => {
    const on = async (path: string) => [
      await seen(app, clerk.aToken(), path),
      await seen(app, aMember(clerk, 'member', '3'), path),
      await seen(app, aMember(clerk, 'admin', '2'), path),
      await seen(app, aMember(clerk, 'admin', '1'), path),
      await seen(app, aMember(clerk, 'admin', '3'), path),
    ];
    const [tenant, role, permission] = ['tenant', 'role', 'permission'].map((name) => [403, `${name}_required`]);
    expect(await on('/heirs/inherited')).toEqual([tenant, role, PASSED, PASSED, PASSED]);
    expect(await on('/heirs/overridden')).toEqual([tenant, role, permission, permission, PASSED]);
    expect(await on('/parents/overridden')).toEqual([tenant, role, permission, PASSED, PASSED]);
  });

  it('goes by the token of the request, not by the last one of the user', async () => {
    const { id: sub } = clerk.aUser();
    const o = { id: 'org_1', rol: 'member' };
    const [member, admin] = [clerk.aToken({ sub, o }), clerk.aToken({ sub, o: { ...o, rol: 'admin' } })];
    for (let i = 0; i < 2; i++) {
      expect(await seen(app, member, '/admins')).toEqual([403, 'role_required']);
      expect(await seen(app, admin, '/admins')).toEqual(PASSED);
    }
  });

  it('is asked after the token and before the input', async () => {
    const send = async (token: string, body: string) => {
      const answer = await app.as(token, '/writes', { method: 'POST', body, headers: json });
      return [answer.status, answer.body.code];
    };
    expect(await send('x', '{')).toEqual([401, 'token_invalid']);
    expect(await send(clerk.aToken(), '{')).toEqual([403, 'tenant_required']);
    for (const malformed of ['{', '{}'])
      expect(await send(aMember(clerk, 'member'), malformed)).toEqual([400, 'invalid_input']);
    expect(await send(aMember(clerk, 'member'), '{"name":"x"}')).toEqual([201, undefined]);
    expect((await app.call('/admins')).body.code).toBe('token_missing');
  });

  it('is refused as a problem document', async () => {
    const { status, headers, body } = await app.as(clerk.aToken(), '/handler/tenant_required?x=1');
    expect([status, headers['content-type']]).toEqual([403, expect.stringContaining('application/problem+json')]);
    expect(body).toMatchObject({ code: 'tenant_required', status: 403, instance: '/handler/tenant_required' });
    expect(headers['www-authenticate']).toBeUndefined();
  });
});

const json = { 'content-type': 'application/json' };

describe('several rules', () => {
  it.each(SPLITS)('%s let through who meets all of them', async (_, path) => {
    expect(await seen(app, clerk.aToken(MEETS_ALL), `/${path}`)).toEqual(PASSED);
  });

  describe.each(SPLITS)('%s', (_, path) => {
    it.each(RULES)('refuse who meets all but one: $code', async ({ code, unmet }) => {
      expect(await seen(app, clerk.aToken({ ...MEETS_ALL, ...unmet }), `/${path}`)).toEqual([403, code]);
    });
  });

  it.each(PAIRS)('of one kind are each asked: two %s', async (path, _, code, { first, second, both }) => {
    for (const count of [0, 1, 2]) {
      const on = (claims: object) => seen(app, clerk.aToken({ ...claims }), `/${path}/${count}`);
      expect(await on(first)).toEqual([403, code]);
      expect(await on(second)).toEqual([403, code]);
      expect(await on(both)).toEqual(PASSED);
    }
  });

  it('may ask for two roles, which nobody has', async () => {
    for (const role of ['admin', 'owner'])
      expect(await seen(app, aMember(clerk, role), '/owners')).toEqual([403, 'role_required']);
  });

  it.each(rotated)('are asked from top to bottom, those of the controller first: $code', async ({ code }) => {
    const meetsNone = Object.assign({}, ...RULES.map(({ unmet }) => unmet)) as Record<string, unknown>;
    const { o } = masked('0');
    const claims = { ...meetsNone, o: code === 'tenant_required' ? undefined : o };
    for (const count of [0, 1, 3])
      expect(await seen(app, clerk.aToken(claims), `/first/${code}/${count}`)).toEqual([403, code]);
  });
});

describe('who acts as somebody else', () => {
  it('passes where no rule forbids it', async () => {
    expect(await seen(app, clerk.aToken({ act: { sub: 'user_2' } }), '/none')).toEqual(PASSED);
  });

  const names = ['', null, 7, ['user_2']];

  it.each([null, {}, [], '', 'user_2', true, 0, ['user_2'], ...names.map((sub) => ({ sub }))])(
    'has a name: the token of %j is refused, whatever the route asks',
    async (act) => {
      for (const path of ['/none', '/handler/impersonation_forbidden'])
        expect(await seen(app, clerk.aToken({ act }), path)).toEqual([401, 'token_invalid']);
    },
  );
});
