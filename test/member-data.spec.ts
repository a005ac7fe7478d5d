import { beforeAll, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { aMember, anAdmin, type Member, meet } from './support/tenants.ts';

const MEMBERS = '/v1/tenant/members';

interface View {
  user: { clerkId: string; email: string | null; name: string | null };
}

let clerk: TestClerk;
let app: TestApp;
let admin: Member;
let member: Member;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk);
  admin = anAdmin(clerk);
  member = aMember(clerk, admin.organization);
  for (const each of [admin, member]) await meet(app, each.token());
});

const emailOf = ({ user }: Member) => user.email_addresses[0]?.email_address;

/** Who is in the organization, as somebody with that role sees it, by Clerk's ids of users. */
async function seenBy({ organization, user }: Member, rol: string) {
  const token = clerk.aToken({ sub: user.id, o: { id: organization.id, rol, per: '', fpm: '' } });
  const { status, body } = await app.as(token, MEMBERS);
  expect(status).toBe(200);
  return Object.fromEntries((body.data as View[]).map((each) => [each.user.clerkId, each.user]));
}

describe('the address of a member', () => {
  it.each(['member', 'guest', 'org:billing_manager', 'org:administrator'])(
    'is hidden from others with the role %s, and shown to its owner',
    async (role) => {
      const seen = await seenBy(member, role);
      expect(seen[admin.user.id]).toMatchObject({ email: null, name: 'Ada Example' });
      expect(seen[member.user.id]).toMatchObject({ email: emailOf(member) });
    },
  );

  it('is shown to an admin of the tenant', async () => {
    const seen = await seenBy(admin, 'admin');
    expect([seen[admin.user.id]?.email, seen[member.user.id]?.email]).toEqual([emailOf(admin), emailOf(member)]);
  });

  it('is hidden from who is an admin elsewhere alone', async () => {
    const elsewhere = anAdmin(clerk);
    await meet(app, elsewhere.token());
    clerk.aMembership(admin.organization, elsewhere.user);
    const seen = await seenBy({ ...elsewhere, organization: admin.organization }, 'member');
    expect([seen[admin.user.id]?.email, seen[elsewhere.user.id]?.email]).toEqual([null, emailOf(elsewhere)]);
  });

  it('is shown to its owner in the list of own memberships', async () => {
    const { body } = await app.as(member.token(), '/v1/me/memberships');
    expect(body.data).toMatchObject([{ user: { email: emailOf(member) } }]);
  });

  it('is said in the document to be for admins and its owner', async () => {
    const { components } = (await app.call('/openapi.json')).body as {
      components: { schemas: Record<string, { properties: { user: { properties: Record<string, object> } } }> };
    };
    const { user } = components.schemas.Membership?.properties ?? {};
    expect(user?.properties.email).toMatchObject({ description: expect.stringMatching(/org:admin/) });
  });
});
