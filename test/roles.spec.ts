import { beforeAll, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { ClerkProxy, type Exchange } from './support/clerk-proxy.ts';
import { Reconciling } from './support/reconcile.ts';
import { aMember, anAdmin, type Member, meet } from './support/tenants.ts';

const MEMBERS = '/v1/tenant/members';
const INVITATIONS = '/v1/tenant/invitations';

let clerk: TestClerk;
let proxy: ClerkProxy;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  proxy = await ClerkProxy.start(clerk.origin);
  app = await startApp(clerk, { CLERK_API_URL: proxy.url });
});

const shown = ({ organization, user }: Member) => clerk.organizations.memberships.get(organization.id, user.id);

async function tell(type: string, data: object): Promise<void> {
  expect((await clerk.deliver(app.url, clerk.anEvent(type, data))).status).toBe(204);
}

/** Whatever Clerk answers has its roles in the short form. */
function shorten(exchange: Exchange): void {
  exchange.body = JSON.parse(JSON.stringify(exchange.body).replaceAll('"role":"org:', '"role":"'));
}

async function rolesIn(path: string, { token }: Member): Promise<unknown[]> {
  const { status, body } = await app.as(token(), path);
  expect(status).toBe(200);
  return (body.data as { role: string }[]).map(({ role }) => role).toSorted();
}

describe('an event of a membership', () => {
  it('makes an admin of who has the role in its short form', async () => {
    const ours = anAdmin(clerk);
    await tell('organizationMembership.created', { ...shown(ours), role: 'admin' });
    expect(await rolesIn(MEMBERS, ours)).toEqual(['org:admin']);
    const changed = await app.as(ours.token(), '/v1/tenant', { method: 'PATCH', body: { settings: { a: 1 } } });
    expect([changed.status, changed.body.settings]).toEqual([200, { a: 1 }]);
  });

  it.each(['billing_manager', 'org:billing_manager'])('shows a role of the product, %s, in full', async (role) => {
    const ours = anAdmin(clerk);
    const other = aMember(clerk, ours.organization);
    await tell('organizationMembership.created', shown(ours));
    await tell('organizationMembership.updated', { ...shown(other), role });
    expect(await rolesIn(MEMBERS, ours)).toEqual(['org:admin', 'org:billing_manager']);
  });

  it('withdraws no token where the role is the same in full', async () => {
    const ours = aMember(clerk);
    const token = ours.token();
    await tell('organizationMembership.created', shown(ours));
    const later = { ...shown(ours), role: 'member', updated_at: Date.now() };
    await tell('organizationMembership.updated', later);
    expect((await app.as(token, '/v1/me')).status).toBe(200);
  });
});

describe('an event of an invitation', () => {
  it('shows its role in full', async () => {
    const ours = anAdmin(clerk);
    await meet(app, ours.token());
    await tell('organizationInvitation.created', {
      id: 'orginv_short',
      organization_id: ours.organization.id,
      email_address: 'new@example.com',
      role: 'admin',
      status: 'pending',
      created_at: Date.now(),
      updated_at: Date.now(),
    });
    expect(await rolesIn(INVITATIONS, ours)).toEqual(['org:admin']);
  });
});

describe('an answer of Clerk’s with short roles', () => {
  it('shows the roles of members and invitations in full, and so what is asked of Clerk', async () => {
    const ours = anAdmin(clerk);
    const other = aMember(clerk, ours.organization);
    await meet(app, ours.token());
    const { user } = await meet(app, other.token());
    proxy.meddle = shorten;
    const promoted = await app.as(ours.token(), `${MEMBERS}/${user.id}`, { method: 'PATCH', body: { role: 'admin' } });
    expect([promoted.status, promoted.body.role]).toEqual([200, 'org:admin']);
    const invitation = { email: 'another@example.com', role: 'member' };
    const invited = await app.as(ours.token(), INVITATIONS, { method: 'POST', body: invitation });
    expect([invited.status, invited.body.role]).toEqual([201, 'org:member']);
    proxy.pass();
    const sent = proxy.calls.filter(({ method }) => method === 'PATCH' || method === 'POST');
    expect(sent.map(({ body }) => (JSON.parse(body) as { role: string }).role)).toEqual(['org:admin', 'org:member']);
  });
});

describe('a list of Clerk’s with short roles', () => {
  it('is mirrored with the roles in full, once', async () => {
    const reconciling = await Reconciling.start();
    anAdmin(reconciling.clerk);
    reconciling.proxy.meddle = shorten;
    expect(await reconciling.findings(['--apply'])).toMatchObject({ code: 0 });
    expect(await reconciling.findings()).toMatchObject({ code: 0, found: [] });
    expect(await reconciling.database.query('select role from memberships')).toEqual([{ role: 'org:admin' }]);
  });
});
