import { inspect } from 'node:util';
import { validateReverificationConfig } from '@clerk/shared/authorization';
import { isReverificationHint, reverificationError } from '@clerk/shared/authorization-errors';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { applyDecorators, Controller, Get, Module, Post, type Type } from '@nestjs/common';
import { modulesOf, requestChain } from '../src/app.module.ts';
import {
  Accepts,
  ForbidImpersonation,
  RequireFeature,
  RequirePermission,
  RequirePlan,
  RequireReverification,
  RequireRole,
  RequireScope,
  RequireTenant,
} from '../src/auth/index.ts';
import { readSettings } from '../src/config/index.ts';
import { Public } from '../src/http/index.ts';
import { TenantGuard } from '../src/tenants/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

const answer = { passed: true };

@Controller('rules')
class RulesController {
  @Get('none')
  none() {
    return answer;
  }

  @Get('tenant')
  @RequireTenant()
  tenant() {
    return answer;
  }

  @Get('admin')
  @RequireRole('org:admin')
  admin() {
    return answer;
  }

  @Post('write')
  @RequirePermission('org:projects:write')
  write() {
    return answer;
  }

  @Get('both')
  @RequireRole('org:admin')
  @RequirePermission('org:projects:write')
  both() {
    return answer;
  }

  @Get('two-permissions')
  @RequirePermission('org:projects:read')
  @RequirePermission('org:projects:write')
  twoPermissions() {
    return answer;
  }
}

@Controller('admins')
@RequireRole('org:admin')
class AdminsController {
  @Get()
  show() {
    return answer;
  }

  @Get('tenant')
  @RequireTenant()
  tenant() {
    return answer;
  }

  @Get('write')
  @RequirePermission('org:projects:write')
  write() {
    return answer;
  }

  @Get('nobody')
  @RequireRole('org:owner')
  nobody() {
    return answer;
  }
}

@Controller('step-up')
class StepUpController {
  @Get('strict_mfa')
  @RequireReverification('strict_mfa')
  strictMfa() {
    return answer;
  }

  @Get('strict')
  @RequireReverification('strict')
  strict() {
    return answer;
  }

  @Get('moderate')
  @RequireReverification('moderate')
  moderate() {
    return answer;
  }

  @Get('lax')
  @RequireReverification('lax')
  lax() {
    return answer;
  }

  @Get('own')
  @RequireReverification({ level: 'first_factor', afterMinutes: 5 })
  own() {
    return answer;
  }

  @Get('second')
  @RequireRole('org:admin')
  @RequireReverification('moderate')
  second() {
    return answer;
  }
}

@Controller('machines')
@Accepts('session_token', 'api_key')
class MachinesController {
  @Get('any')
  any() {
    return answer;
  }

  @Get('read')
  @RequireScope('projects:read')
  read() {
    return answer;
  }

  @Get('both')
  @RequireScope('projects:read')
  @RequireScope('projects:write')
  both() {
    return answer;
  }

  @Get('keys')
  @Accepts('api_key')
  @RequireScope('projects:read')
  keys() {
    return answer;
  }

  @Get('people')
  @Accepts('session_token')
  people() {
    return answer;
  }

  @Get('role')
  @RequireRole('org:admin')
  role() {
    return answer;
  }

  @Get('plan')
  @RequirePlan('pro')
  plan() {
    return answer;
  }

  @Get('tenant')
  @RequireTenant()
  @RequireScope('projects:read')
  tenant() {
    return answer;
  }

  @Get('unimpersonated')
  @ForbidImpersonation()
  unimpersonated() {
    return answer;
  }
}

@RequireScope('projects:read')
@RequireReverification('strict')
@Accepts('session_token', 'api_key')
@Controller('machine-admins')
class MachineAdminsController {
  @Get()
  @RequireRole('org:admin')
  show() {
    return answer;
  }
}

/** Another decorator, which puts its own function in the place of the method. */
function Wrapped() {
  return (_target: object, _name: string, descriptor: PropertyDescriptor) => {
    const method = descriptor.value as () => unknown;
    descriptor.value = function wrapper(this: unknown) {
      return method.call(this);
    };
  };
}

@Controller('odd')
class OddController {
  @Get('wrapped')
  @Wrapped()
  @RequireRole('org:admin')
  wrapped() {
    return answer;
  }

  @Get('inherited')
  @RequireRole('org:admin')
  inherited() {
    return answer;
  }

  @Get('overridden')
  @RequireRole('org:admin')
  overridden() {
    return answer;
  }
}

@RequirePermission('org:projects:write')
@Controller('heirs')
class HeirsController extends OddController {
  @Get('overridden')
  override overridden() {
    return answer;
  }
}

type Decorator = ClassDecorator & MethodDecorator;

/** One route at this path, with these decorators on the whole controller and those on its handler, from top to bottom. */
function aController(path: string, onController: Decorator[], onHandler: Decorator[]): Type {
  @Controller(path)
  @applyDecorators(...onController.toReversed())
  class AskedController {
    @Get()
    @applyDecorators(...onHandler.toReversed())
    show() {
      return answer;
    }
  }
  return AskedController;
}

/** What a route asks, and the answers to who comes with these claims: the code of the refusal, or none. */
interface Asked {
  of: string;
  rules: Decorator[];
  answers: [claims: Record<string, unknown>, code?: string][];
}

const refusing = (code: string, ...claims: Record<string, unknown>[]): Asked['answers'] =>
  claims.map((each) => [each, code]);
const passing = (...claims: Record<string, unknown>[]): Asked['answers'] => claims.map((each) => [each]);

/** A feature or a plan, in the claim of this name. */
function entitlements(name: string, claim: string, Require: (slug: string) => Decorator): Asked[] {
  const is = (...lists: string[]) => lists.map((list) => ({ [claim]: list }));
  const other = claim === 'fea' ? 'pla' : 'fea';
  const never = [{}, { [other]: 'ou:it' }, ...is('', 'x:it', 'ou:other', 'ou:IT', 'ou:it2', 'ou:ou:it')];
  const refuse = (...lists: string[]) => refusing(`${name}_required`, ...never, ...is(...lists));
  const either = passing(...is('o:it', 'u:it', 'ou:it', 'uo:it', 'u:other,o:it'));
  const ofOrganization = [...passing(...is('o:it', 'ou:it', 'uo:it')), ...refuse('u:it', 'u:it,o:other')];
  const ofUser = [...passing(...is('u:it', 'ou:it', 'uo:it')), ...refuse('o:it', 'o:it,u:other')];
  return [
    { of: `a ${name}`, rules: [Require('it')], answers: [...either, ...refuse()] },
    ...['o', 'org', 'organization'].map((scope) => ({
      of: `a ${name} of ${scope}`,
      rules: [Require(`${scope}:it`)],
      answers: ofOrganization,
    })),
    ...['u', 'user'].map((scope) => ({
      of: `a ${name} of ${scope}`,
      rules: [Require(`${scope}:it`)],
      answers: ofUser,
    })),
  ];
}

/** What is no proof of anything: absent, of nobody, or malformed. */
const NO_PROOFS = [undefined, null, [-1, -1], [], [0], [0, 0, 0], ['0', '0'], [null, 0], [0, -2], '0,0', 0, true, {}];

/** Ages as in a token, several parted by blanks: `9,-1 9,9`. */
function reverification(config: Parameters<typeof RequireReverification>[0], fresh: string, stale: string): Asked {
  const agesIn = (text: string) => text.split(' ').map((pair) => pair.split(',').map(Number));
  const proofs = (all: unknown[]) => all.map((fva) => ({ fva }));
  const refused = proofs([...agesIn(stale), ...NO_PROOFS]);
  return {
    of: `a reverification, ${inspect(config)}`,
    rules: [RequireReverification(config)],
    answers: [...passing(...proofs(agesIn(fresh))), ...refusing('reverification_required', ...refused)],
  };
}

const withAdmin = {
  o: { id: 'org_1', slg: 'acme', rol: 'admin', per: 'read,write', fpm: '2' },
  fea: 'o:projects,u:it',
};
const withAll = { ...withAdmin, pla: 'o:pro', fva: [9, 9] };
const ALL_RULES = [
  RequireTenant(),
  RequireRole('org:admin'),
  RequirePermission('org:projects:write'),
  RequireFeature('it'),
  RequirePlan('org:pro'),
  RequireReverification('strict_mfa'),
  ForbidImpersonation(),
];

const ASKED: Asked[] = [
  ...entitlements('feature', 'fea', RequireFeature),
  ...entitlements('plan', 'pla', RequirePlan),
  reverification('strict_mfa', '9,9 9,-1', '10,9 9,10 10,-1 -1,0'),
  reverification('strict', '9,-1 99,9 -1,9', '10,-1 0,10 -1,10'),
  reverification('moderate', '59,-1 99,59 -1,59', '60,-1 0,60'),
  reverification('lax', '1439,-1 9999,1439', '1440,-1 0,1440'),
  reverification({ level: 'first_factor', afterMinutes: 5 }, '4,-1 4,99', '5,0 -1,0'),
  reverification({ level: 'second_factor', afterMinutes: 1 }, '0,-1 99,0', '1,-1 0,1'),
  reverification({ level: 'multi_factor', afterMinutes: 5 }, '4,4 4,-1', '5,4 4,5 -1,0'),
  {
    of: 'no impersonation',
    rules: [ForbidImpersonation()],
    answers: [
      ...passing({}, withAll, { act: undefined }),
      ...refusing('impersonation_forbidden', { act: { sub: 'user_2' } }, { ...withAll, act: { sub: 'x', iss: 'y' } }),
    ],
  },
  {
    of: 'a tenant, a feature',
    rules: [RequireTenant(), RequireFeature('org:it')],
    answers: [
      ...passing({ ...withAdmin, fea: 'o:it' }),
      ...refusing('tenant_required', {}, { fea: 'o:it' }),
      ...refusing('feature_required', withAdmin),
    ],
  },
  {
    of: 'two features',
    rules: [RequireFeature('user:it'), RequireFeature('org:it')],
    answers: [
      ...passing({ fea: 'ou:it' }, { fea: 'o:it,u:it' }),
      ...refusing('feature_required', {}, { fea: 'o:it' }, { fea: 'u:it' }),
    ],
  },
  {
    of: 'two proofs',
    rules: [RequireReverification({ level: 'first_factor', afterMinutes: 60 }), RequireReverification('strict')],
    answers: [
      ...passing({ fva: [59, 9] }, { fva: [9, -1] }),
      ...refusing('reverification_required', { fva: [60, 9] }, { fva: [59, 10] }, { fva: [10, -1] }),
    ],
  },
  {
    of: 'a feature, a plan, a proof',
    rules: [RequireFeature('it'), RequirePlan('pro'), RequireReverification('strict')],
    answers: [
      ...passing({ fea: 'u:it', pla: 'o:pro' }, { fea: 'o:it', pla: 'u:pro', fva: [99, 0] }),
      ...refusing('feature_required', {}, { pla: 'o:pro' }, { fva: [99, 99] }),
      ...refusing('plan_required', { fea: 'u:it' }, { fea: 'u:it', pla: 'o:it' }, { fea: 'u:it', fva: [99, 99] }),
      ...refusing('reverification_required', { fea: 'u:it', pla: 'o:pro', fva: [10, -1] }),
    ],
  },
  {
    of: 'everything',
    rules: ALL_RULES,
    answers: [
      ...passing(withAll),
      ...refusing('tenant_required', {}, { ...withAll, o: undefined }),
      ...refusing('role_required', { ...withAll, o: { ...withAll.o, rol: 'member' } }),
      ...refusing('permission_required', { ...withAll, o: { ...withAll.o, fpm: '1' } }),
      ...refusing('feature_required', { ...withAll, fea: 'o:projects' }),
      ...refusing('plan_required', { ...withAll, pla: undefined }, { ...withAll, pla: 'u:pro' }),
      ...refusing('reverification_required', { ...withAll, fva: undefined }, { ...withAll, fva: [9, 10] }),
      ...refusing('impersonation_forbidden', { ...withAll, act: { sub: 'user_2' } }),
    ],
  },
];

/** Where the decorators stand: what is on the controller is asked first. */
const PLACES: [place: string, onController: (rules: Decorator[]) => number][] = [
  ['handler', () => 0],
  ['controller', (rules) => rules.length],
  ['controller-and-handler', (rules) => Math.ceil(rules.length / 2)],
];

const askedControllers = PLACES.flatMap(([place, onController]) =>
  ASKED.map(({ rules }, index) => {
    const count = onController(rules);
    return aController(`${place}/${index}`, rules.slice(0, count), rules.slice(count));
  }),
);

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  const written = [RulesController, AdminsController, OddController, HeirsController, StepUpController];
  app = await start(...written, MachinesController, MachineAdminsController, ...askedControllers);
});

function start(...controllers: Type[]): Promise<TestApp> {
  return startWith(requestChain, ...controllers);
}

/** The first has a database; the others, most of which fail, start on it as well. */
async function startWith(providers: typeof requestChain, ...controllers: Type[]): Promise<TestApp> {
  return startApp(clerk, {}, app?.database, (env) => {
    @Module({ imports: modulesOf(readSettings(env)), providers, controllers })
    class TestModule {}
    return TestModule;
  });
}

/** A member of a tenant, with this role and these bits for `org:projects:read` and `org:projects:write`. */
const aMember = (rol: string, fpm = '0') =>
  clerk.aToken({ fea: 'o:projects', o: { id: 'org_1', slg: 'acme', rol, per: 'read,write', fpm } });
const alone = () => clerk.aToken({ pla: 'u:free', fea: '' });

const ask = async (path: string, token: string) => {
  const { status, body } = await app.as(token, path, { method: path.endsWith('rules/write') ? 'POST' : 'GET' });
  return [status, body.code];
};

const passed = [expect.any(Number), undefined];

describe('a rule', () => {
  it.each<[string, string, () => string, string | undefined]>([
    ['none', '/rules/none', alone, undefined],
    ['a tenant', '/rules/tenant', alone, 'tenant_required'],
    ['a tenant', '/rules/tenant', () => aMember('member'), undefined],
    ['a role', '/rules/admin', alone, 'tenant_required'],
    ['a role', '/rules/admin', () => aMember('member', '3'), 'role_required'],
    ['a role', '/rules/admin', () => aMember('admin'), undefined],
    ['a permission', '/rules/write', alone, 'tenant_required'],
    ['a permission', '/rules/write', () => aMember('admin', '1'), 'permission_required'],
    ['a permission', '/rules/write', () => aMember('member', '2'), undefined],
    ['role and permission', '/rules/both', () => aMember('member', '2'), 'role_required'],
    ['role and permission', '/rules/both', () => aMember('admin', '1'), 'permission_required'],
    ['role and permission', '/rules/both', () => aMember('admin', '2'), undefined],
    ['two permissions', '/rules/two-permissions', () => aMember('admin', '1'), 'permission_required'],
    ['two permissions', '/rules/two-permissions', () => aMember('admin', '2'), 'permission_required'],
    ['two permissions', '/rules/two-permissions', () => aMember('admin', '3'), undefined],
    ['the controller', '/admins', () => aMember('member'), 'role_required'],
    ['the controller', '/admins', () => aMember('admin'), undefined],
    ['controller and handler', '/admins/tenant', () => aMember('member'), 'role_required'],
    ['controller and handler', '/admins/write', () => aMember('member', '2'), 'role_required'],
    ['controller and handler', '/admins/write', () => aMember('admin', '1'), 'permission_required'],
    ['controller and handler', '/admins/write', () => aMember('admin', '2'), undefined],
    ['two roles, which nobody has', '/admins/nobody', () => aMember('admin', '3'), 'role_required'],
    ['two roles, which nobody has', '/admins/nobody', () => aMember('owner', '3'), 'role_required'],
    ['what a decorator above it wraps', '/odd/wrapped', () => aMember('member'), 'role_required'],
    ['what a decorator above it wraps', '/odd/wrapped', () => aMember('admin'), undefined],
    ['what is inherited', '/heirs/inherited', () => aMember('member', '3'), 'role_required'],
    ['what is inherited', '/heirs/inherited', () => aMember('admin'), 'permission_required'],
    ['what is inherited', '/heirs/inherited', () => aMember('admin', '3'), undefined],
    ['what is overridden', '/heirs/overridden', () => aMember('member', '3'), 'role_required'],
    ['what is overridden', '/heirs/overridden', () => aMember('admin', '3'), undefined],
    ['the class it is inherited from', '/odd/inherited', () => aMember('admin'), undefined],
  ])('on %s: %s', async (_, path, token, code) => {
    const expected = code === undefined ? passed : [403, code];
    const sent = token();
    for (let i = 0; i < 2; i++) expect(await ask(path, sent)).toEqual(expected);
  });

  it.each([
    'admin ',
    ' admin',
    'ADMIN',
    'Admin',
    '__proto__',
    'constructor',
    'admin,member',
    'аdmin',
    '*',
    'org:owner',
  ])('goes by the role to the letter: %j is no org:admin', async (rol) => {
    expect(await ask('/rules/admin', aMember(rol))).toEqual([403, 'role_required']);
  });

  it('goes by the token of the request, not by the last one of the user', async () => {
    const { id: sub } = clerk.aUser();
    const o = { id: 'org_1', rol: 'member' };
    const [member, admin] = [clerk.aToken({ sub, o }), clerk.aToken({ sub, o: { ...o, rol: 'admin' } })];
    for (let i = 0; i < 2; i++) {
      expect(await ask('/rules/admin', member)).toEqual([403, 'role_required']);
      expect(await ask('/rules/admin', admin)).toEqual(passed);
    }
  });

  it('is asked after the token and before the input', async () => {
    const send = (token: string) => app.as(token, '/rules/write', { method: 'POST', body: '{', headers: json });
    expect((await send(alone())).body.code).toBe('tenant_required');
    expect((await send('x')).body.code).toBe('token_invalid');
    expect((await app.call('/rules/tenant')).body.code).toBe('token_missing');
  });

  it('is refused as a problem document', async () => {
    const { status, headers, body } = await app.as(alone(), '/rules/tenant?x=1');
    expect([status, headers['content-type']]).toEqual([403, expect.stringContaining('application/problem+json')]);
    expect(body).toMatchObject({ code: 'tenant_required', status: 403, instance: '/rules/tenant' });
    expect(headers['www-authenticate']).toBeUndefined();
  });
});

const json = { 'content-type': 'application/json' };

describe.each(PLACES)('a rule on the %s', (place) => {
  const isNew = (rules: Decorator[]) => place !== 'controller-and-handler' || rules.length > 1;
  const rows = ASKED.flatMap(({ of, rules, answers }, index) =>
    (isNew(rules) ? answers : []).map(([claims, code]) => ({
      of,
      index,
      claims,
      code,
      says: code ?? 'yes',
      title: inspect(claims, { breakLength: Infinity }),
    })),
  );

  it.each(rows)('that asks for $of: to $title it says $says', async ({ index, claims, code }) => {
    const { status, body } = await app.as(clerk.aToken(claims), `/${place}/${index}`);
    expect([status, body.code]).toEqual(code === undefined ? [200, undefined] : [403, code]);
  });
});

describe('who has to show who they are', () => {
  const stale = () => clerk.aToken({ fva: [9999, 9999] });

  it.each([
    ['strict_mfa', 'strict_mfa'],
    ['strict', 'strict'],
    ['moderate', 'moderate'],
    ['lax', 'lax'],
    ['own', { level: 'first_factor', afterMinutes: 5 }],
  ] as const)('is told so in the words that Clerk’s useReverification() understands: %s', async (path, config) => {
    const answered = await fetch(`${app.url}/step-up/${path}`, { headers: { authorization: `Bearer ${stale()}` } });
    const body: unknown = await answered.json();
    expect([answered.status, body]).toEqual([403, expect.objectContaining({ code: 'reverification_required' })]);
    expect(isReverificationHint(body)).toBe(true);
    expect(body).toMatchObject({ status: 403, ...reverificationError(config) });
    const { reverification: asked } = (body as ReturnType<typeof reverificationError>).clerk_error.metadata ?? {};
    expect(asked).toEqual(config);
    expect(validateReverificationConfig(asked)).toBeInstanceOf(Function);
  });

  it('gets a problem document', async () => {
    const { headers, body } = await app.as(stale(), '/step-up/strict?x=1');
    expect(headers['content-type']).toContain('application/problem+json');
    expect(headers['www-authenticate']).toBeUndefined();
    expect(body).toMatchObject({ type: '/problems/reverification_required', instance: '/step-up/strict' });
  });

  it('is not told so where that would not help', async () => {
    for (const [path, code] of [
      ['/step-up/second', 'tenant_required'],
      ['/rules/tenant', 'tenant_required'],
    ] as const) {
      const { body } = await app.as(stale(), path);
      expect(body.code).toBe(code);
      expect(isReverificationHint(body)).toBe(false);
      expect(body).not.toHaveProperty('clerk_error');
    }
  });

  it('passes with the token of a fresh proof, and is asked again with the old one', async () => {
    const { id: sub } = clerk.aUser();
    const [old, fresh] = [clerk.aToken({ sub, fva: [10, -1] }), clerk.aToken({ sub, fva: [0, -1] })];
    for (let i = 0; i < 2; i++) {
      expect(await ask('/step-up/strict', old)).toEqual([403, 'reverification_required']);
      expect(await ask('/step-up/strict', fresh)).toEqual([200, undefined]);
    }
  });
});

describe('who acts as somebody else', () => {
  it('passes where no rule forbids it', async () => {
    expect(await ask('/rules/none', clerk.aToken({ act: { sub: 'user_2' } }))).toEqual([200, undefined]);
  });

  const names = ['', null, 7, ['user_2']];

  it.each([null, {}, [], '', 'user_2', true, 0, ['user_2'], ...names.map((sub) => ({ sub }))])(
    'has a name: the token of %j is refused, whatever the route asks',
    async (act) => {
      for (const path of ['/rules/none', '/machines/unimpersonated'])
        expect(await ask(path, clerk.aToken({ act }))).toEqual([401, 'token_invalid']);
    },
  );
});

describe('a scope', () => {
  const anAdmin = () => aMember('admin', '3');
  const keys: Record<string, () => string> = {};

  beforeAll(() => {
    const { id } = clerk.anOrganization();
    const aKey = (scopes: string[], subject?: string) => {
      const { secret } = clerk.anApiKey({ scopes, ...(subject && { subject }) });
      return () => secret;
    };
    Object.assign(keys, {
      reader: aKey(['projects:read']),
      both: aKey(['projects:write', 'projects:read']),
      writer: aKey(['projects:write', 'projects:*', 'projects', '*', 'PROJECTS:READ', 'projects:read projects:write']),
      organization: aKey(['projects:read'], id),
      user: alone,
      admin: anAdmin,
    });
  });

  it.each<[path: string, answers: Record<string, string>]>([
    ['any', { reader: 'yes', user: 'yes' }],
    ['read', { reader: 'yes', both: 'yes', writer: 'scope_required', organization: 'yes' }],
    ['read', { user: 'yes', admin: 'yes' }],
    ['both', { reader: 'scope_required', writer: 'scope_required', both: 'yes', user: 'yes' }],
    ['keys', { reader: 'yes', writer: 'scope_required', admin: 'token_type_not_accepted' }],
    ['people', { reader: 'token_type_not_accepted', organization: 'token_type_not_accepted', user: 'yes' }],
    ['role', { both: 'role_required', organization: 'role_required', user: 'tenant_required', admin: 'yes' }],
    ['plan', { both: 'plan_required', organization: 'plan_required', user: 'plan_required' }],
    ['tenant', { reader: 'tenant_required', organization: 'yes', user: 'tenant_required', admin: 'yes' }],
    ['unimpersonated', { reader: 'yes', user: 'yes' }],
  ])('is asked of keys, and the rest of people: /machines/%s says %j', async (path, answers) => {
    for (const [who, code] of Object.entries(answers)) {
      const { status, body } = await app.as((keys[who] as () => string)(), `/machines/${path}`);
      expect([who, status, body.code ?? 'yes']).toEqual([who, code === 'yes' ? 200 : 403, code]);
    }
  });

  it('of a controller takes the place of the role of its handler, for keys alone', async () => {
    const path = '/machine-admins';
    expect(await ask(path, (keys.reader as () => string)())).toEqual([200, undefined]);
    expect(await ask(path, (keys.writer as () => string)())).toEqual([403, 'scope_required']);
    expect(await ask(path, anAdmin())).toEqual([200, undefined]);
    expect(await ask(path, alone())).toEqual([403, 'tenant_required']);
    const { o, fea } = withAdmin;
    expect(await ask(path, clerk.aToken({ o, fea, fva: [10, -1] }))).toEqual([403, 'reverification_required']);
  });

  it('that is missing is not said to be a matter of sessions, and a role is', async () => {
    const read = await app.as((keys.writer as () => string)(), '/machines/read');
    const role = await app.as((keys.writer as () => string)(), '/machines/role');
    expect([read.body.detail, role.body.detail]).toEqual([
      'The route needs a scope that the key or token does not have.',
      'The route asks this of sessions alone.',
    ]);
  });
});

describe('a rule that could not hold stops the start', () => {
  it('on an open route', async () => {
    @Controller('open')
    class OpenController {
      @Get()
      @Public()
      @RequireTenant()
      show() {
        return answer;
      }
    }
    await expect(start(OpenController)).rejects.toThrow('OpenController.show is @Public()');
  });

  it('on a controller with an open route', async () => {
    @Controller('open')
    @RequireRole('org:admin')
    class HalfOpenController {
      @Get('closed')
      closed() {
        return answer;
      }

      @Get('open')
      @Public()
      open() {
        return answer;
      }
    }
    await expect(start(HalfOpenController)).rejects.toThrow('HalfOpenController.open is @Public()');
  });

  it('on a route of an open controller', async () => {
    @Controller('open')
    @Public()
    class OpenController {
      @Get()
      @RequirePermission('org:projects:read')
      show() {
        return answer;
      }
    }
    await expect(start(OpenController)).rejects.toThrow('OpenController.show is @Public()');
  });

  it.each<[string, Decorator]>([
    ['feature_required', RequireFeature('it')],
    ['plan_required', RequirePlan('it')],
    ['reverification_required', RequireReverification('lax')],
    ['impersonation_forbidden', ForbidImpersonation()],
    ['scope_required', RequireScope('it')],
    ['@Accepts', Accepts('api_key')],
    ['@Accepts', Accepts('session_token')],
  ])('on an open route, or one of an open controller: %s', async (name, decorator) => {
    const open = Public() as unknown as Decorator;
    for (const controller of [
      aController('open', [], [open, decorator]),
      aController('open', [open], [decorator]),
      aController('open', [decorator], [open]),
    ])
      await expect(start(controller)).rejects.toThrow(
        `AskedController.show is @Public() and asks for a caller: ${name}`,
      );
  });

  it.each<[string, Decorator[], Decorator[]]>([
    ['that says nothing', [], [RequireScope('it')]],
    ['that says so', [], [RequireScope('it'), Accepts('session_token')]],
    ['whose controller says so', [Accepts('session_token')], [RequireScope('it')]],
    ['that says so against its controller', [Accepts('api_key')], [RequireScope('it'), Accepts('session_token')]],
    ['whose controller has the scope', [RequireScope('it')], []],
    ['that asks for a role as well', [RequireScope('it')], [RequireRole('org:admin')]],
  ])('with a scope on a route of sessions alone, %s', async (_, onController, onHandler) => {
    const controller = aController('scoped', onController, onHandler);
    await expect(start(controller)).rejects.toThrow('AskedController.show @RequireScope judges machines alone');
  });

  it('where the guard is not in force', async () => {
    const unguarded = requestChain.filter(({ provide }) => provide !== 'APP_GUARD');
    for (const controller of [
      RulesController,
      aController('keys', [], [Accepts('api_key')]),
      aController('keys', [Accepts('session_token')], []),
      aController('plans', [], [RequirePlan('it')]),
      aController('plans', [ForbidImpersonation()], []),
    ])
      await expect(startWith(unguarded, controller)).rejects.toThrow(
        new RegExp(`^${controller.name}\\.\\w+ has rules that nobody asks: ClerkAuthGuard is not provided`),
      );
  });

  it('on a function that is not the one called', async () => {
    @Controller('bound')
    class BoundController {
      constructor() {
        this.show = this.show.bind(this);
      }

      @Get()
      @RequireTenant()
      show() {
        return answer;
      }
    }
    await expect(start(BoundController)).rejects.toThrow('BoundController has a handler that is no method');
  });
});

describe('requests that would have no tenant stop the start', () => {
  const isTenantGuard = (provider: object) => 'useExisting' in provider && provider.useExisting === TenantGuard;

  it.each([
    ['where the guard is not in force', requestChain.filter((provider) => !isTenantGuard(provider))],
    ['where it asks before anybody knows who calls', requestChain.toReversed()],
  ])('%s', async (_, chain) => {
    await expect(startWith(chain)).rejects.toThrow('provide TenantGuard as APP_GUARD, after ClerkAuthGuard');
  });
});

describe('a decorator that is malformed throws with the name of what it is written on', () => {
  const onRoute = (decorate: () => Decorator) => () => {
    class BadController {
      @decorate()
      show() {
        return answer;
      }
    }
    return BadController;
  };
  const onController = (decorate: () => Decorator) => () => {
    @decorate()
    class BadController {}
    return BadController;
  };

  const complaints = (decorate: () => Decorator) =>
    [onRoute(decorate), onController(decorate)].map((write) => {
      try {
        return write() && 'nothing';
      } catch (thrown) {
        return String(thrown);
      }
    });
  const named = (about: string) => [`TypeError: BadController.show: ${about}`, `TypeError: BadController: ${about}`];

  it.each(['org:sys_memberships:manage', 'org:sys_profile:delete', 'org:sys_'])(
    'the system permission %s, which no token has',
    (permission) => {
      expect(complaints(() => RequirePermission(permission))).toEqual(
        named(`${permission} is never in a token of Clerk's: ask for a role, as @RequireRole('org:admin')`),
      );
    },
  );

  it.each(['', 'projects:write', 'org:projects', 'org::write', 'org:projects:', 'org:a:b:c', 'user:a:b', 'org:a:b '])(
    'the permission %j',
    (permission) => {
      expect(complaints(() => RequirePermission(permission))).toEqual(
        named(`${permission} is no permission key of Clerk's: write it in full, as org:projects:write`),
      );
    },
  );

  it.each(['', 'admin', 'org:', 'org:org:admin', 'org:admin ', 'org:admin\n', 'ORG:admin'])('the role %j', (role) => {
    expect(complaints(() => RequireRole(role))).toEqual(
      named(`${role} is no role key of Clerk's: write it in full, as org:admin`),
    );
  });

  it.each(['', ' ', ':it', 'x:it', 'ou:it', 'ORG:it', 'org:', 'org:user:it', 'org:it:', 'a b', 'it ', 'a,b', 'ä'])(
    'the feature or plan %j',
    (slug) => {
      expect(complaints(() => RequireFeature(slug))).toEqual(
        named(`${slug} is no feature: write its slug, as export or org:export`),
      );
      expect(complaints(() => RequirePlan(slug))).toEqual(
        named(`${slug} is no plan: write its slug, as pro or org:pro`),
      );
    },
  );

  const noPresets = [undefined, null, '', 'relaxed', 'constructor', 'STRICT', 10, true, [], {}];
  const noMinutes = [undefined, null, 0, -1, '10', Number.NaN, Number.POSITIVE_INFINITY];
  const noLevels = [undefined, null, 'third_factor', '', 'constructor', 1];

  it.each<[unknown]>([
    ...noPresets.map((config): [unknown] => [config]),
    ...noMinutes.map((afterMinutes): [unknown] => [{ level: 'first_factor', afterMinutes }]),
    ...noLevels.map((level): [unknown] => [{ level, afterMinutes: 10 }]),
  ])('the reverification %j', (config) => {
    expect(complaints(() => RequireReverification(config as never))).toEqual(
      named("a reverification is 'strict_mfa', 'strict', 'moderate', 'lax', or { level, afterMinutes }"),
    );
  });

  it.each(['', ' ', 'a b', 'projects:read ', 'a"b', 'a\\b', 'a\n', 'ä', '\u007f'])('the scope %j', (scope) => {
    expect(complaints(() => RequireScope(scope))).toEqual(named(`${scope} is no scope: one word, as projects:read`));
  });

  it.each(['api_keys', 'session', 'any', 'API_KEY', '', undefined])('the kind %j', (kind) => {
    const about = '@Accepts takes one or more of session_token, api_key, m2m_token, oauth_token';
    expect(complaints(() => Accepts(kind as never))).toEqual(named(about));
    expect(complaints(() => Accepts('api_key', kind as never))).toEqual(named(about));
    expect(complaints(() => (Accepts as () => Decorator)())).toEqual(named(about));
  });

  it('and none that is well-formed', () => {
    const slugs = ['it', 'user:it', 'u:it', 'org:it', 'o:it', 'organization:it', 'a-b_1'];
    const scopes = ['it', 'projects:read', 'https://example.com/it', '!#[]~'];
    const decorators = [
      ...slugs.flatMap((slug) => [RequireFeature(slug), RequirePlan(slug)]),
      ...scopes.map((scope) => RequireScope(scope)),
      RequireRole('org:billing-manager_2'),
      RequirePermission('org:team-1:read_all'),
      Accepts('session_token', 'api_key', 'm2m_token', 'oauth_token'),
    ];
    expect(complaints(() => applyDecorators(...decorators) as Decorator)).toEqual(['nothing', 'nothing']);
  });
});
