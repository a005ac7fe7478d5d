import { randomBytes } from 'node:crypto';
import { jest } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { modulesOf, requestChain } from '../../src/app.module.ts';
import {
  Accepts,
  CurrentPrincipal,
  type MachinePrincipal,
  RequireFeature,
  RequireReverification,
  RequireRole,
  RequireScope,
} from '../../src/auth/index.ts';
import { readSettings } from '../../src/config/index.ts';
import { ActiveTenant, type TenantSnapshot } from '../../src/tenants/index.ts';
import { CurrentUser, User } from '../../src/users/index.ts';
import { startApp, type TestApp } from './app.ts';
import type { TestClerk } from './clerk.ts';
import type { TestDatabase } from './database.ts';

const PATIENCE_MS = 10_000;

/** Says who calls. */
@Accepts('api_key', 'm2m_token', 'oauth_token')
@Controller('machines')
class MachinesController {
  @Get()
  show(@CurrentPrincipal() { claims, ...caller }: MachinePrincipal, @ActiveTenant() tenant: TenantSnapshot | null) {
    return { ...caller, claims, tenant: tenant?.row.clerkId ?? null };
  }

  @Get('user')
  user(@CurrentUser() { clerkId }: User) {
    return { clerkId };
  }

  @Get('keys')
  @Accepts('api_key')
  keys() {
    return {};
  }

  @Get('m2m')
  @Accepts('m2m_token')
  m2m() {
    return {};
  }

  @Get('oauth')
  @Accepts('session_token', 'oauth_token')
  oauth() {
    return {};
  }

  @Get('sessions')
  @Accepts('session_token')
  sessions() {
    return {};
  }

  @Get('any')
  @Accepts('session_token', 'api_key', 'm2m_token', 'oauth_token')
  any() {
    return {};
  }

  @Get('scoped')
  @Accepts('session_token', 'api_key', 'm2m_token', 'oauth_token')
  @RequireRole('org:admin')
  @RequireReverification('strict')
  @RequireFeature('export')
  @RequireScope('things:read')
  scoped() {
    return {};
  }
}

/** /metrics is closed in production to whoever does not send it. */
export const METRICS_TOKEN = 'a-token-for-metrics';

/** The application with routes that take machines, behind a proxy and with the limits of production. */
export function startWithMachines(
  clerk: TestClerk,
  env: Record<string, string> = {},
  database?: TestDatabase,
): Promise<TestApp> {
  return startApp(clerk, { ...clerk.productionEnv, TRUST_PROXY: '1', METRICS_TOKEN, ...env }, database, (all) => {
    @Module({ imports: modulesOf(readSettings(all)), providers: requestChain, controllers: [MachinesController] })
    class MachinesModule {}
    return MachinesModule;
  });
}

/** What machines get that are accepted, and what others get. */
export const OK = [200, undefined];
export const REVOKED = [401, 'token_revoked'];
export const EXPIRED = [401, 'token_expired'];
export const INVALID = [401, 'token_invalid'];

const monotonic = performance.now.bind(performance);
let aheadMs = 0;

/** Both clocks of this process stand still from now on, until the mocks are restored. The monotonic one never goes back. */
export function stopClock() {
  performance.now = () => monotonic() + aheadMs;
  let [wall, still] = [Date.now(), Math.ceil(performance.now())];
  jest.spyOn(Date, 'now').mockImplementation(() => wall);
  jest.spyOn(performance, 'now').mockImplementation(() => still);
  return {
    goAhead(milliseconds: number) {
      wall += milliseconds;
      still += milliseconds;
      aheadMs += milliseconds;
    },
    /** As somebody may who sets the time; no process is younger for it. */
    set: (milliseconds: number) => (wall += milliseconds),
  };
}

/** How often Clerk was asked about a token of a machine. */
export const verificationsAt = (clerk: TestClerk) => clerk.calls.filter((path) => path.endsWith('/verify')).length;

/** What the token gets from the first time on that it is not accepted. */
export async function refusalOf(app: TestApp, token: string, path?: string) {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await seen(app, token, path);
    if (answer[0] !== 200) return answer;
    if (performance.now() > deadline) throw new Error('The token is accepted still');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Failures are counted by address: this one failed never before. */
export const anAddress = () => `10.${[...randomBytes(3)].join('.')}`;

/** What a token gets from that address. */
export async function seen(app: TestApp, token: string, path = '/machines', address = anAddress()) {
  const { status, body } = await app.as(token, path, { headers: { 'x-forwarded-for': address } });
  return [status, body.code];
}
