import { applyDecorators, Controller, Get, Module, type Type } from '@nestjs/common';
import { modulesOf, requestChain } from '../../src/app.module.ts';
import {
  ForbidImpersonation,
  RequireFeature,
  RequirePermission,
  RequirePlan,
  RequireReverification,
  RequireRole,
  RequireTenant,
} from '../../src/auth/index.ts';
import { readSettings } from '../../src/config/index.ts';
import { startApp, type TestApp } from './app.ts';
import type { TestClerk } from './clerk.ts';
import type { TestDatabase } from './database.ts';

export type Decorator = ClassDecorator & MethodDecorator;

type Claims = Record<string, unknown>;

/** Who meets this rule, and all the others, but for what is laid over. */
interface Asked {
  code: string;
  rule: Decorator;
  unmet: Claims;
}

const acme = { id: 'org_1', slg: 'acme', rol: 'admin', per: 'read,write', fpm: '2' };

/** What the session token says of who meets every one of the rules below. */
export const MEETS_ALL: Claims = { o: acme, fea: 'o:projects,u:it', pla: 'o:pro', fva: [9, -1] };

/** One rule of each kind that judges sessions. */
export const RULES: Asked[] = [
  { code: 'tenant_required', rule: RequireTenant(), unmet: { o: undefined } },
  { code: 'role_required', rule: RequireRole('org:admin'), unmet: { o: { ...acme, rol: 'member' } } },
  {
    code: 'permission_required',
    rule: RequirePermission('org:projects:write'),
    unmet: { o: { ...acme, fpm: '1' } },
  },
  { code: 'feature_required', rule: RequireFeature('user:it'), unmet: { fea: 'o:projects,o:it' } },
  { code: 'plan_required', rule: RequirePlan('org:pro'), unmet: { pla: 'u:pro' } },
  { code: 'reverification_required', rule: RequireReverification('strict'), unmet: { fva: [10, -1] } },
  { code: 'impersonation_forbidden', rule: ForbidImpersonation(), unmet: { act: { sub: 'user_2' } } },
];

/** A member of a tenant, with this role and these bits for `org:projects:read` and `org:projects:write`. */
export const aMember = (clerk: TestClerk, rol: string, fpm = '0') =>
  clerk.aToken({ fea: 'o:projects', o: { ...acme, rol, fpm } });

/** One route at this path, with these decorators on the whole controller and those on its handler, from top to bottom. */
export function aController(path: string, onController: Decorator[], onHandler: Decorator[]): Type<{ show(): object }> {
  @Controller(path)
  @applyDecorators(...onController.toReversed())
  class AskedController {
    @Get()
    @applyDecorators(...onHandler.toReversed())
    show() {
      return {};
    }
  }
  return AskedController;
}

/** Another decorator, which puts its own function in the place of the method. */
function Wrapped(): Decorator {
  return ((_target: object, _name: string, descriptor: PropertyDescriptor) => {
    const method = descriptor.value as () => unknown;
    descriptor.value = function wrapper(this: unknown) {
      return method.call(this);
    };
  }) as Decorator;
}

function heirOf(Parent: Type, path: string): Type {
  @Controller(path)
  class HeirController extends Parent {}
  return HeirController;
}

function overriding(Parent: Type<{ show(): object }>, path: string): Type {
  @Controller(path)
  class OverridingController extends Parent {
    @Get()
    override show() {
      return {};
    }
  }
  return OverridingController;
}

/** Where rules may stand. */
export const PLACES: [place: string, path: string, withRules: (path: string, rules: Decorator[]) => Type][] = [
  ['a handler', 'handler', (path, rules) => aController(path, [], rules)],
  ['a controller', 'controller', (path, rules) => aController(path, rules, [])],
  ['an inherited handler', 'inherited', (path, rules) => heirOf(aController('parent', [], rules), path)],
  ['an inherited controller', 'ancestor', (path, rules) => heirOf(aController('parent', rules, []), path)],
  ['an overridden handler', 'overridden', (path, rules) => overriding(aController('parent', [], rules), path)],
  ['a handler that others wrap', 'wrapped', (path, rules) => aController(path, [], [Wrapped(), ...rules])],
];

/** The application with these controllers alone. */
export function startWith(
  clerk: TestClerk,
  controllers: Type[],
  { chain = requestChain, database }: { chain?: typeof requestChain; database?: TestDatabase } = {},
): Promise<TestApp> {
  return startApp(clerk, {}, database, (env) => {
    @Module({ imports: modulesOf(readSettings(env)), providers: chain, controllers })
    class TestModule {}
    return TestModule;
  });
}

/** What the token gets there: status and code. */
export async function seen(app: TestApp, token: string, path: string) {
  const { status, body } = await app.as(token, path);
  return [status, body.code];
}

export const PASSED = [200, undefined];
