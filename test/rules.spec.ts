import { beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, Post, type Type } from '@nestjs/common';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { RequirePermission, RequireRole, RequireTenant } from '../src/auth/index.ts';
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

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await start(RulesController, AdminsController, OddController, HeirsController);
});

function start(...controllers: Type[]): Promise<TestApp> {
  return startWith(requestChain, ...controllers);
}

async function startWith(providers: typeof requestChain, ...controllers: Type[]): Promise<TestApp> {
  return startApp(clerk, {}, undefined, (env) => {
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

  it('where the guard is not in force', async () => {
    const unguarded = requestChain.filter(({ provide }) => provide !== 'APP_GUARD');
    await expect(startWith(unguarded, RulesController)).rejects.toThrow('ClerkAuthGuard is not provided');
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

describe('a decorator throws where it is written', () => {
  it.each(['org:sys_memberships:manage', 'org:sys_profile:delete', 'org:sys_'])(
    'for the system permission %s, which no token has',
    (permission) => {
      expect(() => RequirePermission(permission)).toThrow("ask for a role, as @RequireRole('org:admin')");
    },
  );

  it.each(['', 'projects:write', 'org:projects', 'org::write', 'org:projects:', 'org:a:b:c', 'user:a:b', 'org:a:b '])(
    'for the malformed permission %j',
    (permission) => {
      expect(() => RequirePermission(permission)).toThrow('no permission key');
    },
  );

  it.each(['', 'admin', 'org:', 'org:org:admin', 'org:admin ', 'ORG:admin'])('for the malformed role %j', (role) => {
    expect(() => RequireRole(role)).toThrow('no role key');
  });
});
