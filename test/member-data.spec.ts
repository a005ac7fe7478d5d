import { beforeAll, describe, expect, it } from '@jest/globals';
import type { LocalUser } from '../local/clerk/people.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { Reconciling } from './support/reconcile.ts';
import { aMember, anAdmin, type Member, meet } from './support/tenants.ts';

const MEMBERS = '/v1/tenant/members';

interface View {
  user: { clerkId: string; email: string | null; name: string | null; phone: string | null };
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

/** Who signed up with a username and a phone number alone. */
const WITHOUT_ADDRESS: Partial<LocalUser> = {
  first_name: null,
  last_name: null,
  username: 'ada_l',
  email_addresses: [],
  primary_email_address_id: null,
  phone_numbers: [
    { id: 'idn_second', phone_number: '+15555550101' },
    { id: 'idn_phone', phone_number: '+15555550100', verification: { status: 'verified' } },
  ],
  primary_phone_number_id: 'idn_phone',
};
const SHOWN = { email: null, emailVerified: false, username: 'ada_l', phone: '+15555550100', name: 'ada_l' };

async function tell(type: string, data: object): Promise<void> {
  expect((await clerk.deliver(app.url, clerk.anEvent(type, data))).status).toBe(204);
}

const meOf = async (claims: Record<string, unknown>) => (await app.as(clerk.aToken(claims), '/v1/me')).body.user;
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

describe('a user without an address', () => {
  it('is shown by the username and the primary number: from an answer of Clerk’s', async () => {
    const { id } = clerk.aUser(WITHOUT_ADDRESS);
    expect(await meOf({ sub: id })).toMatchObject(SHOWN);
  });

  it('is shown so from an event, and by the name where there is one', async () => {
    const user = clerk.aUser(WITHOUT_ADDRESS);
    await tell('user.created', user);
    expect(await meOf({ sub: user.id })).toMatchObject(SHOWN);
    await tell('user.updated', { ...user, last_name: 'Lovelace', updated_at: Date.now() });
    expect(await meOf({ sub: user.id })).toMatchObject({ ...SHOWN, name: 'Lovelace' });
  });

  it('is called by the username in the list of members before anything else is told', async () => {
    const { user, organization } = aMember(clerk, admin.organization, 'org:member', clerk.aUser(WITHOUT_ADDRESS));
    await tell('organizationMembership.created', clerk.organizations.memberships.get(organization.id, user.id));
    expect((await seenBy(admin, 'admin'))[user.id]).toMatchObject({ ...SHOWN, phone: null });
  });

  it('has the number shown to admins and to themselves alone', async () => {
    const ours = aMember(clerk, admin.organization, 'org:member', clerk.aUser(WITHOUT_ADDRESS));
    await tell('user.created', ours.user);
    await meet(app, ours.token());
    const { id } = ours.user;
    expect((await seenBy(admin, 'org:admin'))[id]).toMatchObject(SHOWN);
    expect((await seenBy(ours, 'guest'))[id]).toMatchObject(SHOWN);
    const hidden = { email: null, emailVerified: null, phone: null };
    expect((await seenBy(member, 'guest'))[id]).toMatchObject({ ...hidden, username: 'ada_l', name: 'ada_l' });
    const { body } = await app.as(ours.token(), '/v1/me/memberships');
    expect(body.data).toMatchObject([{ user: SHOWN }]);
  });

  it('leaves none of it behind when deleted', async () => {
    const user = clerk.aUser(WITHOUT_ADDRESS);
    await tell('user.created', user);
    await tell('user.deleted', { id: user.id, object: 'user', deleted: true });
    const sql = 'select email_verified, username, phone from users where clerk_id = $1';
    expect(await app.database.query(sql, [user.id])).toEqual([{ email_verified: false, username: null, phone: null }]);
  });

  it('is found stale by a reconciliation where any of it differs, and right by the next', async () => {
    const reconciling = await Reconciling.start();
    const user = reconciling.clerk.aUser(WITHOUT_ADDRESS);
    const verified = reconciling.clerk.aUser();
    expect(await reconciling.findings(['--apply'])).toMatchObject({ code: 0 });
    for (const [change, { id }] of [
      ['username = null', user],
      ["phone = '+1'", user],
      ['email_verified = false', verified],
    ] as const) {
      await reconciling.database.query(`update users set ${change} where clerk_id = $1`, [id]);
      expect(await reconciling.findings(['--apply'])).toMatchObject({ code: 0, found: [`stale ${id}`] });
      expect(await reconciling.findings()).toMatchObject({ code: 0, found: [] });
    }
  });
});

describe('an address', () => {
  const addressed = (verification: unknown) => {
    const user = clerk.aUser();
    const [email] = user.email_addresses;
    return { ...user, email_addresses: [{ ...email, verification }] };
  };

  it.each([
    ['verified', { status: 'verified', strategy: 'email_code' }, true],
    ['unverified', { status: 'unverified', strategy: 'email_code' }, false],
    ['of a check that expired', { status: 'expired' }, false],
    ['of a check that failed', { status: 'failed' }, false],
    ['transferable', { status: 'transferable' }, false],
    ['of which nothing is said', null, false],
    ['of which nothing can be read', 'verified', false],
  ])('that is %s is shown as that', async (_, verification, isVerified) => {
    const user = addressed(verification);
    await tell('user.created', user);
    const email = user.email_addresses[0]?.email_address;
    expect(await meOf({ sub: user.id })).toMatchObject({ email, emailVerified: isVerified });
  });

  it('is verified no more when another is the primary one', async () => {
    const user = addressed({ status: 'verified' });
    await tell('user.created', user);
    const other = { id: 'idn_new', email_address: 'new@example.com', verification: { status: 'unverified' } };
    const changed = { primary_email_address_id: 'idn_new', updated_at: Date.now() };
    await tell('user.updated', { ...user, ...changed, email_addresses: [...user.email_addresses, other] });
    expect(await meOf({ sub: user.id })).toMatchObject({ email: 'new@example.com', emailVerified: false });
  });

  it.each([
    [true, true],
    [false, false],
    ['true', false],
    [undefined, false],
  ])('whose claim email_verified is %p is verified: %p', async (claim, isVerified) => {
    const claims = { sub: clerk.aUser().id, email: 'ada@example.com', email_verified: claim };
    expect(await meOf(claims)).toMatchObject({ email: 'ada@example.com', emailVerified: isVerified });
  });
});
