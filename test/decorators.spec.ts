import { beforeAll, describe, expect, it } from '@jest/globals';
import { applyDecorators, Controller, Get } from '@nestjs/common';
import { requestChain } from '../src/app.module.ts';
import {
  Accepts,
  RequireFeature,
  RequirePermission,
  RequirePlan,
  RequireReverification,
  RequireRole,
  RequireScope,
  RequireTenant,
} from '../src/auth/index.ts';
import { Public } from '../src/http/index.ts';
import { TenantGuard } from '../src/tenants/index.ts';
import { TestClerk } from './support/clerk.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { aController, type Decorator, RULES, startWith } from './support/rules.ts';

const OPEN = Public() as unknown as Decorator;

/** All that asks for a caller, by what the complaint calls it. */
const ASKING: [name: string, decorator: Decorator][] = [
  ...RULES.map(({ code, rule }): [string, Decorator] => [code, rule]),
  ['scope_required', RequireScope('it')],
  ['@Accepts', Accepts('api_key')],
  ['@Accepts', Accepts('session_token')],
];

let clerk: TestClerk;
let database: TestDatabase;

beforeAll(async () => {
  clerk = await TestClerk.start();
  database = await createDatabase();
});

describe('a rule that could not hold stops the start', () => {
  it.each(ASKING)('on an open route, or one of an open controller: %s', async (name, decorator) => {
    for (const controller of [
      aController('open', [], [OPEN, decorator]),
      aController('open', [OPEN], [decorator]),
      aController('open', [decorator], [OPEN]),
    ])
      await expect(startWith(clerk, [controller], { database })).rejects.toThrow(
        `AskedController.show is @Public() and asks for a caller: ${name}`,
      );
  });

  it('on a controller of which one route is open', async () => {
    @Controller('open')
    @RequireRole('org:admin')
    class HalfOpenController {
      @Get('closed')
      closed() {}

      @Get('open')
      @Public()
      open() {}
    }
    const started = startWith(clerk, [HalfOpenController], { database });
    await expect(started).rejects.toThrow('HalfOpenController.open is @Public()');
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
    const started = startWith(clerk, [controller], { database });
    await expect(started).rejects.toThrow('AskedController.show @RequireScope judges machines alone');
  });

  it.each<[string, Decorator[], Decorator[]]>([
    ['a rule on a handler', [], [RequirePlan('it')]],
    ['a rule on a controller', [RequireTenant()], []],
    ['a kind of token on a handler', [], [Accepts('api_key')]],
    ['a kind of token on a controller', [Accepts('session_token')], []],
  ])('where the guard is not in force: %s', async (_, onController, onHandler) => {
    const chain = requestChain.filter(({ provide }) => provide !== 'APP_GUARD');
    const started = startWith(clerk, [aController('asked', onController, onHandler)], { chain, database });
    await expect(started).rejects.toThrow(
      /^AskedController\.show has rules that nobody asks: ClerkAuthGuard is not provided/,
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
      show() {}
    }
    const started = startWith(clerk, [BoundController], { database });
    await expect(started).rejects.toThrow('BoundController has a handler that is no method');
  });
});

describe('requests that would have no tenant stop the start', () => {
  const isTenantGuard = (provider: object) => 'useExisting' in provider && provider.useExisting === TenantGuard;

  it.each([
    ['where the guard is not in force', requestChain.filter((provider) => !isTenantGuard(provider))],
    ['where it asks before anybody knows who calls', requestChain.toReversed()],
  ])('%s', async (_, chain) => {
    const started = startWith(clerk, [], { chain, database });
    await expect(started).rejects.toThrow('provide TenantGuard as APP_GUARD, after ClerkAuthGuard');
  });
});

describe('a decorator that is malformed throws with the name of what it is written on', () => {
  const onRoute = (decorate: () => Decorator) => () => {
    class BadController {
      @decorate()
      show() {}
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
