import { randomUUID } from 'node:crypto';
import { isReverificationHint } from '@clerk/shared/authorization-errors';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { environmentOf, startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import type { Call } from './support/http.ts';
import { type Route, routesOf } from './support/routes.ts';
import { ServerProcess } from './support/server.ts';
import { aMember, anAdmin, meet } from './support/tenants.ts';

/** Routes that change something and ask neither, each with the reason. */
const ORDINARY = new Map([
  ['PATCH v1/me', 'a profile can be changed back'],
  ['PATCH v1/tenant', 'a name can be changed back'],
  ['POST v1/tenants', 'gives rights in nothing that was there before'],
  ['POST v1/projects', 'a feature: permissions decide'],
  ['PATCH v1/projects/:id', 'a feature: permissions decide'],
  ['DELETE v1/projects/:id', 'a feature: permissions decide'],
]);

/** Cannot be undone, or gives rights: asks for a fresh verification, and refuses impersonation. */
const STEP_UP: [method: string, path: string, body: object | undefined][] = [
  ['DELETE', '/v1/tenant', undefined],
  ['PATCH', `/v1/tenant/members/${randomUUID()}`, { role: 'org:admin' }],
  ['DELETE', `/v1/tenant/members/${randomUUID()}`, undefined],
  ['POST', '/v1/tenant/invitations', { email: 'new@example.com', role: 'org:member' }],
  ['PUT', '/v1/billing/subscription/cancellation', {}],
];

/** Only takes access away: refuses impersonation, and cannot wait for a fresh verification. */
const URGENT: [method: string, path: string][] = [
  ['DELETE', '/v1/tenant/api-keys/ak_unknown'],
  ['DELETE', `/v1/tenant/invitations/${randomUUID()}`],
  ['DELETE', '/v1/me/sessions/sess_unknown'],
  ['DELETE', `/v1/me/memberships/${randomUUID()}`],
];

const STALE: [string, object][] = [
  ['an old verification', { fva: [61, -1] }],
  ['an old first factor beside an old second', { fva: [61, 61] }],
  ['no verification', { fva: [-1, -1] }],
  ['no word about it', { fva: undefined }],
];

const clerk = await TestClerk.start();
const app: TestApp = await startApp(clerk);

beforeAll(async () => {
  await meet(app, anAdmin(clerk).token());
});

const asks = ({ rules }: Route, refusal: string) => rules.some((rule) => rule.refusal === refusal);
const tokenWith = (claims: object) => {
  const { organization, user } = anAdmin(clerk);
  return clerk.aTokenIn(organization, user, { ...claims });
};

async function refusalOf(claims: object, method: string, path: string, body?: object) {
  const token = tokenWith(claims);
  await meet(app, token);
  const calls = clerk.calls.length;
  const call: Call = { method, ...(body && { body }) };
  const answer = await app.as(token, path, call);
  return { ...answer, asked: clerk.calls.length - calls };
}

describe('a route that changes something', () => {
  const changing = routesOf(app.app).filter(({ method, isOpen }) => method !== 'GET' && !isOpen);

  it.each(changing)('$name says whether it is closed to impersonation, or is listed with a reason', (route) => {
    const isClosed = asks(route, 'impersonation_forbidden');
    expect([route.name, isClosed || ORDINARY.has(route.name)]).toEqual([route.name, true]);
    if (asks(route, 'reverification_required')) expect(isClosed).toBe(true);
  });

  it('is in the list only while it is there', () => {
    const names = changing.map(({ name }) => name);
    expect([...ORDINARY.keys()].filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('what cannot be undone or gives rights', () => {
  it.each(STEP_UP)('%s %s is closed to whoever acts as somebody else', async (method, path, body) => {
    const { status, body: answer, asked } = await refusalOf({ act: { sub: 'user_support' } }, method, path, body);
    expect([status, answer.code, asked]).toEqual([403, 'impersonation_forbidden', 0]);
  });

  it.each(STEP_UP.flatMap((route) => STALE.map((stale) => [...stale, ...route] as const)))(
    'needs a fresh verification: %s, %j, on %s %s',
    async (_what, claims, method, path, body) => {
      const { status, body: answer, asked } = await refusalOf(claims, method, path, body);
      expect([status, answer.code, asked]).toEqual([403, 'reverification_required', 0]);
      expect(isReverificationHint(answer)).toBe(true);
    },
  );

  it('is done for an own, fresh login, and leaves one line with the ids of who did it', async () => {
    const server = await ServerProcess.start({ ...environmentOf(clerk, app.database), LOG_LEVEL: 'info' });
    const { organization, user } = anAdmin(clerk);
    const { status } = await server.call('/v1/tenant', {
      method: 'DELETE',
      headers: { authorization: `Bearer ${clerk.aTokenIn(organization, user)}` },
    });
    expect(status).toBe(204);
    await server.stop();
    const lines = server.output.split('\n').filter((line) => line.includes('Action DELETE /v1/tenant'));
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ actor: user.id, user: user.id, tenant: organization.id, status: 204, level: 30 }),
    ]);
    expect(lines[0]).not.toContain(user.email_addresses[0]?.email_address);
  });
});

describe('what only takes access away', () => {
  it.each(URGENT)('%s %s is closed to whoever acts as somebody else', async (method, path) => {
    const { status, body, asked } = await refusalOf({ act: { sub: 'user_support' } }, method, path);
    expect([status, body.code, asked]).toEqual([403, 'impersonation_forbidden', 0]);
  });

  it.each(URGENT)('%s %s needs no fresh verification', async (method, path) => {
    const { status } = await refusalOf({ fva: [61, -1] }, method, path);
    expect(status).toBe(404);
  });

  it('revokes a leaked key with a login of yesterday', async () => {
    const { organization, user, token } = anAdmin(clerk);
    await meet(app, token());
    const { id } = clerk.anApiKey({ subject: organization.id });
    const stale = clerk.aTokenIn(organization, user, { fva: [1440, -1] });
    expect((await app.as(stale, `/v1/tenant/api-keys/${id}`, { method: 'DELETE' })).status).toBe(204);
  });

  it('lets a member leave with a login of yesterday', async () => {
    const admin = anAdmin(clerk);
    const { organization, user } = aMember(clerk, admin.organization);
    const stale = clerk.aTokenIn(organization, user, { fva: [1440, -1] });
    const { tenant } = await meet(app, stale);
    expect((await app.as(stale, `/v1/me/memberships/${tenant?.id}`, { method: 'DELETE' })).status).toBe(204);
  });
});
