import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Module, Param, Patch, Post } from '@nestjs/common';
import { z } from 'zod';
import { AppModule } from '../src/app.module.ts';
import * as auth from '../src/auth/index.ts';
import type { Rule } from '../src/auth/rule.ts';
import { TOKEN_TYPES, type TokenType } from '../src/auth/token-type.ts';
import { readSettings } from '../src/config/index.ts';
import { Public } from '../src/http/index.ts';
import { startApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { callOf, type Route, type RouteCaller, routesOf } from './support/routes.ts';
import { claimsMeeting, goesWith } from './support/sample.ts';
import { aMember, anAdmin, type Member, meet } from './support/tenants.ts';

const { Accepts, RequirePermission, RequireRole, RequireScope, RequireTenant } = auth;
const id = randomUUID();
const Color = z.string().meta({ examples: ['red'] });
const Texts = z.object({ a: z.email(), b: z.url(), c: z.uuid(), d: z.iso.datetime(), e: z.string().min(40), f: Color });
const Others = z.object({ g: z.int().min(5), h: z.array(Texts).min(2), i: z.number().default(0) }).partial();
const Fixed = z.object({ j: z.enum(['x', 'y']), k: z.literal(3), l: z.tuple([z.iso.date()]), m: z.null().or(Texts) });
const Sample = z.intersection(z.object({ texts: Texts, others: Others }), Fixed).meta({ id: 'Sample' });

/** Every decorator that the application's own routes do not have yet, and every kind of value. */
@Controller('samples')
class SamplesController {
  @Get('every-rule')
  @RequirePermission('org:reports:read')
  @RequirePermission('org:exports:write')
  @RequirePermission('org:exports:read')
  @RequireRole('org:owner')
  @auth.RequireFeature('user:beta')
  @auth.RequireFeature('exports')
  @auth.RequireFeature('org:audits')
  @auth.RequirePlan('org:pro')
  @auth.RequirePlan('free')
  @auth.RequireReverification('strict')
  @auth.RequireReverification({ level: 'multi_factor', afterMinutes: 5 })
  @auth.ForbidImpersonation()
  everyRule() {}

  @Get('every-token')
  @Accepts('session_token', 'api_key', 'm2m_token', 'oauth_token')
  @auth.RequirePlan('user:pro')
  @RequireScope('samples:read')
  @RequireScope('samples:list')
  everyToken() {}

  @Get('machines-of-tenants')
  @Accepts('api_key', 'm2m_token')
  @RequireTenant()
  @auth.ForbidImpersonation()
  machinesOfTenants() {}

  @Patch('no-machine')
  @Accepts('session_token', 'api_key')
  @RequireRole('org:admin')
  noMachine() {}

  @Post()
  @Accepts('oauth_token')
  make(@Body({ schema: Sample }) body: object) {
    return { ...body, id };
  }

  @Get(':sampleId/parts')
  parts(@Param('sampleId') sampleId: string) {
    return { data: sampleId === id ? [{ part: { id: 'p1' } }, { part: { id: 'p2' } }] : [] };
  }

  @Patch(':sampleId/parts/:partId/:color')
  paint(@Param('partId') partId: string, @Param('color', { schema: Color }) color: string) {
    if (partId !== 'p2' || color !== 'red') throw new Error(`${partId} ${color}`);
  }

  @Public()
  @Get('lost/:lostId')
  lost() {}
}

const clerk = await TestClerk.start();
const app = await startApp(clerk, clerk.productionEnv, undefined, (env) => {
  @Module({ imports: [AppModule.with(readSettings(env))], controllers: [SamplesController] })
  class AppWithSamples {}
  return AppWithSamples;
});
const routes = routesOf(app.app);

/** A call of a route with such a token, which meets these rules and no more; the code of the refusal, or undefined. */
interface Case {
  name: string;
  route: Route;
  type: TokenType;
  met: Rule[];
  code?: Rule['refusal'];
}

const TENANT: Rule = { refusal: 'tenant_required' };
const OF_MEMBERS = ['role_required', 'permission_required'];
const OF_MACHINES = ['tenant_required', 'impersonation_forbidden', 'scope_required'];

function casesWith(route: Route, type: TokenType): Case[] {
  const rules = rulesFor(route, type);
  const aCase = (code?: Rule['refusal'], lost?: Rule): Case => {
    const [refusal = '', of = refusal] = Object.values(lost ?? {});
    const name = `${route.name}: ${code ?? 'passes'}, by ${type} ${lost ? inspect({ without: of }) : 'with everything'}`;
    return { name, route, type, met: rules.filter((rule) => !lost || !goesWith(rule, lost)), code };
  };
  const isMachine = type !== 'session_token';
  const unmeetable = rules.find((rule) => isMachine && !canMeet(type, rule));
  if (unmeetable) return [aCase(unmeetable.refusal)];
  const losable = rules.filter(({ refusal }) => !isMachine || refusal !== 'impersonation_forbidden');
  return [aCase(), ...losable.map((lost) => aCase(rules.find((rule) => goesWith(rule, lost))?.refusal, lost))];
}

/** What the route asks of the bearer of such a token; that a member's tenant is active goes without saying, and first. */
function rulesFor({ rules }: Route, type: TokenType): Rule[] {
  const isScoped = rules.some(({ refusal }) => refusal === 'scope_required');
  if (type !== 'session_token') return rules.filter(({ refusal }) => !isScoped || OF_MACHINES.includes(refusal));
  const others = rules.filter(({ refusal }) => refusal !== 'tenant_required' && refusal !== 'scope_required');
  const isOfTenant = rules.some((rule) => goesWith(rule, TENANT));
  return isOfTenant ? [TENANT, ...others] : others;
}

function canMeet(type: TokenType, { refusal }: Rule): boolean {
  return OF_MACHINES.includes(refusal) && (type === 'api_key' || refusal !== 'tenant_required');
}

function tokenOf({ user, organization }: Member, type: TokenType, met: readonly Rule[]): string {
  const scopes = met.flatMap((rule) => (rule.refusal === 'scope_required' ? [rule.scope] : []));
  const isOfTenant = met.some(({ refusal }) => refusal === 'tenant_required');
  switch (type) {
    case 'session_token':
      return clerk.aToken({ sub: user.id, ...claimsMeeting(met, organization) });
    case 'api_key':
      return clerk.anApiKey({ subject: isOfTenant ? organization.id : user.id, scopes }).secret;
    case 'm2m_token':
      return clerk.anM2MToken({ scopes }).token;
    case 'oauth_token':
      return clerk.anOAuthToken({ subject: user.id, scopes }).token;
    default:
      return type satisfies never;
  }
}

/** An admin with two sessions, in a second tenant, too, whose tenant has a second member and a key; who pays for a plan. */
async function aWorld(): Promise<Member & RouteCaller> {
  const admin = anAdmin(clerk);
  const me = await meet(app, admin.token());
  for (const { token } of [aMember(clerk, admin.organization), aMember(clerk, undefined, 'org:member', admin.user)])
    await meet(app, token());
  for (let i = 0; i < 2; i++) clerk.directory.sessions.start(admin.user.id);
  clerk.anApiKey({ subject: admin.organization.id });
  // nobody is told: to our copy they are not known, so that the claims of their tokens count
  clerk.billing.subscribe(admin.user.id, 'plus');
  clerk.billing.subscribe(admin.organization.id, 'pro');
  const call: RouteCaller['call'] = (route, path, options) => {
    const [type = 'session_token'] = route.accepts;
    return app.as(tokenOf(admin, type, rulesFor(route, type)), path, options);
  };
  return { ...admin, own: [me.user.id, me.tenant?.id ?? ''], call };
}

const closed = routes.filter(({ isOpen }) => !isOpen);
const cases = closed.flatMap((route) => route.accepts.flatMap((type) => casesWith(route, type)));

describe('each closed route', () => {
  it.each(closed)('$name refuses every kind of token that it does not take, and asks nobody', async (route) => {
    const admin = anAdmin(clerk);
    const tokens = [
      ...TOKEN_TYPES.map((type): [TokenType, string] => [type, tokenOf(admin, type, [])]),
      ['oauth_token', clerk.anOAuthJwt()],
    ] as const;
    const calls = clerk.calls.length;
    for (const [type, token] of tokens.filter(([kind]) => !route.accepts.includes(kind))) {
      const { status, body } = await app.as(token, `/${route.path.replaceAll(/:\w+/g, id)}`, { method: route.method });
      expect([type, status, body.code]).toEqual([type, 403, 'token_type_not_accepted']);
    }
    expect(clerk.calls).toHaveLength(calls);
  });

  it.each(cases)('$name', async ({ route, type, met, code }) => {
    const world = await aWorld();
    const [path, call] = await callOf(route, routes, world);
    const { status, body } = await app.as(tokenOf(world, type, met), path, call);
    const seen = Math.floor(status / 100) === 2 ? 'passes' : { status, ...body };
    expect(seen).toEqual(code ? expect.objectContaining({ status: 403, code }) : 'passes');
  });
});

describe('the cases', () => {
  it('are of every closed route, and of every refusal that there is a decorator for', () => {
    const passing = new Set(cases.flatMap(({ route, code }) => (code ? [] : [route.name])));
    expect(closed.map(({ name }) => name).filter((name) => !passing.has(name))).toEqual([]);
    const ofMembers = ['feature_required', 'plan_required', 'reverification_required', ...OF_MEMBERS];
    expect(new Set(cases.map(({ code }) => code))).toEqual(new Set([undefined, ...OF_MACHINES, ...ofMembers]));
  });

  it('say what a route lacks for which nothing to call it with is found', async () => {
    const lost = routes.find(({ name }) => name === 'GET samples/lost/:lostId') as Route;
    const message =
      'GET samples/lost/:lostId: nothing is known for :lostId, for there is neither POST nor GET samples/lost';
    await expect(callOf(lost, routes, await aWorld())).rejects.toThrow(message);
  });
});
