import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  Accepts,
  ForbidImpersonation,
  RequirePlan,
  RequireReverification,
  RequireRole,
  RequireScope,
  RequireTenant,
} from '../src/auth/index.ts';
import type { TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { aController, aMember, type Decorator, MEETS_ALL, seen, startWith } from './support/rules.ts';

const READ = RequireScope('projects:read');

/** What the routes of a controller say that takes sessions and API keys. */
const ROUTES: Record<string, Decorator[]> = {
  any: [],
  read: [READ],
  both: [READ, RequireScope('projects:write')],
  keys: [Accepts('api_key'), READ],
  people: [Accepts('session_token')],
  role: [RequireRole('org:admin')],
  plan: [RequirePlan('pro')],
  verified: [RequireReverification('lax')],
  tenant: [RequireTenant(), READ],
  unimpersonated: [ForbidImpersonation()],
};
const BOTH_KINDS = Accepts('session_token', 'api_key');

let clerk: TestClerk;
let app: TestApp;
const callers: Record<string, () => string> = {};

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startWith(clerk, [
    ...Object.entries(ROUTES).map(([path, rules]) => aController(path, [BOTH_KINDS], rules)),
    aController('admins', [READ, RequireReverification('strict'), BOTH_KINDS], [RequireRole('org:admin')]),
  ]);
  const aKey = (scopes: string[], subject?: string) => {
    const { secret } = clerk.anApiKey({ scopes, ...(subject && { subject }) });
    return () => secret;
  };
  Object.assign(callers, {
    reader: aKey(['projects:read']),
    both: aKey(['projects:write', 'projects:read']),
    writer: aKey(['projects:write', 'projects:*', 'projects', '*', 'PROJECTS:READ', 'projects:read projects:write']),
    organization: aKey(['projects:read'], clerk.anOrganization().id),
    user: () => clerk.aToken(),
    member: () => aMember(clerk, 'member'),
    admin: () => aMember(clerk, 'admin'),
    unproven: () => clerk.aToken({ ...MEETS_ALL, fva: [10, -1] }),
  });
});

describe('a scope', () => {
  it.each<[path: string, answers: Record<string, string>]>([
    ['any', { reader: 'yes', user: 'yes' }],
    ['read', { reader: 'yes', both: 'yes', writer: 'scope_required', organization: 'yes', user: 'yes', admin: 'yes' }],
    ['both', { reader: 'scope_required', writer: 'scope_required', both: 'yes', user: 'yes' }],
    ['keys', { reader: 'yes', writer: 'scope_required', admin: 'token_type_not_accepted' }],
    ['people', { reader: 'token_type_not_accepted', organization: 'token_type_not_accepted', user: 'yes' }],
    ['role', { both: 'role_required', organization: 'role_required', user: 'tenant_required', admin: 'yes' }],
    ['plan', { both: 'plan_required', organization: 'plan_required', user: 'plan_required' }],
    ['tenant', { reader: 'tenant_required', organization: 'yes', user: 'tenant_required', admin: 'yes' }],
    ['unimpersonated', { reader: 'yes', user: 'yes' }],
    ['admins', { reader: 'yes', writer: 'scope_required', admin: 'yes' }],
    ['admins', { user: 'tenant_required', member: 'role_required', unproven: 'reverification_required' }],
  ])('is asked of keys, and the rest of people: /%s says %j', async (path, answers) => {
    for (const [who, code] of Object.entries(answers)) {
      const answer = await seen(app, (callers[who] as () => string)(), `/${path}`);
      expect([who, ...answer]).toEqual([who, ...(code === 'yes' ? [200, undefined] : [403, code])]);
    }
  });

  it('that is missing is named, and a role is said to be a matter of sessions', async () => {
    const [read, role, verified] = await Promise.all(
      ['/read', '/role', '/verified'].map((path) => app.as((callers.writer as () => string)(), path)),
    );
    expect(read?.body.detail).toBe('The route needs the scope projects:read.');
    expect(read?.headers['www-authenticate']).toBe('Bearer error="insufficient_scope", scope="projects:read"');
    expect(role?.body.detail).toMatch(/the role org:admin.*of sessions alone/);
    expect(verified?.body.detail).toBe('The route asks this of sessions alone, and no scope of machines.');
    expect(role?.headers['www-authenticate']).toBeUndefined();
  });
});
