import { beforeAll, describe, expect, it } from '@jest/globals';
import { localUser, SEEDED_ORGANIZATIONS, SEEDED_USERS } from '../local/clerk/people.ts';
import { TestClerk } from './support/clerk.ts';
import type { Call } from './support/http.ts';
import { aClerk, claimsOf, permissionsIn, permissionsOf } from './support/local-clerk.ts';
import { complaints, payloadOf, type Schema, schemasIn, whenPublished } from './support/published.ts';

const [ADA, GRACE, ALAN] = SEEDED_USERS.map(({ id }) => id) as [string, string, string];
const [ACME, GLOBEX] = SEEDED_ORGANIZATIONS.map(({ id }) => id) as [string, string];
const PATIENCE_MS = 30_000;
const DAY_MS = 86_400_000;
const ACME_PATH = `/v1/organizations/${ACME}`;
const POST = (body: object): Call => ({ method: 'POST', body });
const PATCH = (body: object): Call => ({ method: 'PATCH', body });

type Clerk = Awaited<ReturnType<typeof aClerk>>;

/** A local Clerk whose Acme has invited Alan. */
async function withInvitation() {
  const own = await aClerk();
  const invitation = own.clerk.organizations.invitations.create(ACME, {
    email_address: 'alan@example.com',
    role: 'org:admin',
    inviter_user_id: ADA,
    public_metadata: { team: 'a' },
  });
  return { ...own, invitation, path: `${ACME_PATH}/invitations/${invitation.id}` };
}

/** What was told, in its order; nothing more is on its way. */
async function told({ clerk, receiver }: Clerk): Promise<[type: string, data: Record<string, unknown>][]> {
  await receiver.has(clerk.events.list().length);
  return receiver.events.map(({ type, data }) => [type, data]);
}

describe('an organization of the local Clerk', () => {
  it('is created with its creator as administrator, in this order', async () => {
    const own = await aClerk();
    const { status, body } = await own.asServer(
      '/v1/organizations',
      POST({ name: 'Initech', slug: 'initech', created_by: ADA, public_metadata: { plan: 'a' } }),
    );
    expect([status, body]).toMatchObject([
      200,
      {
        object: 'organization',
        id: expect.stringMatching(/^org_\w{27}$/),
        name: 'Initech',
        slug: 'initech',
        created_by: ADA,
        members_count: 1,
        pending_invitations_count: 0,
        max_allowed_memberships: 0,
        public_metadata: { plan: 'a' },
      },
    ]);
    expect(await told(own)).toEqual([
      ['organization.created', body],
      [
        'organizationMembership.created',
        expect.objectContaining({
          id: expect.stringMatching(/^orgmem_\w{27}$/),
          role: 'org:admin',
          organization: body,
          public_user_data: expect.objectContaining({ user_id: ADA, identifier: 'ada@example.com' }),
        }),
      ],
    ]);
  });

  it('is created by nobody too, with a slug of its own, at a time of old', async () => {
    const own = await aClerk();
    const created = [1, 2].map(() => POST({ name: 'Big Corp!', created_at: '2020-01-01T00:00:00Z', slug: null }));
    const answers = await Promise.all(created.map((options) => own.asServer('/v1/organizations', options)));
    for (const { body } of answers) {
      expect(body).toMatchObject({ slug: expect.stringMatching(/^big-corp-\w+$/), created_at: Date.UTC(2020, 0, 1) });
      expect(body).not.toHaveProperty('created_by');
    }
    expect(answers[0]?.body.slug).not.toBe(answers[1]?.body.slug);
    expect((await told(own)).map(([type]) => type)).toEqual(['organization.created', 'organization.created']);
  });

  it('is changed, at a later time after each change, however fast', async () => {
    const own = await aClerk();
    const times = [own.clerk.organizations.get(ACME).updated_at];
    const names = Array.from({ length: 10 }, (_, i) => `A${i}`);
    for (const name of names)
      times.push(own.clerk.organizations.update(ACME, { name, slug: name.toLowerCase() }).updated_at);
    const { body } = await own.asServer(ACME_PATH, PATCH({ name: 'K', slug: 'k' }));
    times.push(body.updated_at as number);
    expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
    expect((await told(own)).map(([type, { name, slug }]) => [type, name, slug])).toEqual(
      [...names, 'K'].map((name) => ['organization.updated', name, name.toLowerCase()]),
    );
    expect((await own.asServer('/v1/organizations/k')).body.id).toBe(ACME);
    expect((await own.asServer('/v1/organizations/acme')).status).toBe(404);
  });

  it('is deleted after its memberships, and its invitations with it', async () => {
    const { path, ...own } = await withInvitation();
    const { body } = await own.asServer(ACME_PATH, { method: 'DELETE' });
    expect(body).toEqual({ object: 'organization', id: ACME, slug: 'acme', deleted: true });
    const ended = (userId: string, role: string) => [
      'organizationMembership.deleted',
      expect.objectContaining({
        object: 'organization_membership',
        role,
        organization: expect.objectContaining({ id: ACME, name: 'Acme' }),
        public_user_data: expect.objectContaining({ user_id: userId }),
      }),
    ];
    expect((await told(own)).slice(1)).toEqual([
      ended(ADA, 'org:admin'),
      ended(GRACE, 'org:member'),
      ['organization.deleted', body],
    ]);
    for (const gone of [ACME_PATH, '/v1/organizations/acme', `${ACME_PATH}/memberships`, path])
      expect((await own.asServer(gone)).status).toBe(404);
    expect((await own.asServer('/v1/organization_invitations')).body.total_count).toBe(0);
    expect((await own.asServer(`/v1/users/${GRACE}/organization_memberships`)).body.total_count).toBe(1);
    await own.asServer('/v1/organizations', POST({ name: 'Acme', slug: 'acme' }));
    expect((await own.asServer('/v1/organizations/acme')).status).toBe(200);
  });

  it('counts its members for who asks, and its pending invitations', async () => {
    const { asServer } = await withInvitation();
    expect((await asServer(ACME_PATH)).body).not.toHaveProperty('members_count');
    const query = 'include_members_count=true';
    const counts = { members_count: 2, pending_invitations_count: 1 };
    expect((await asServer(`${ACME_PATH}?${query}`)).body).toMatchObject(counts);
    const { body } = await asServer(`/v1/organizations?${query}&organization_id=${ACME}`);
    expect(body).toMatchObject({ total_count: 1, data: [counts] });
  });
});

describe('a membership of the local Clerk', () => {
  it('begins, changes its role and ends, and begins anew under another id', async () => {
    const own = await aClerk();
    const [list, one] = [`${ACME_PATH}/memberships`, `${ACME_PATH}/memberships/${ALAN}`];
    const begun = await own.asServer(list, POST({ user_id: ALAN, role: 'org:member' }));
    const changed = await own.asServer(one, PATCH({ role: 'org:admin' }));
    const same = await own.asServer(one, PATCH({ role: 'org:admin' }));
    const ended = await own.asServer(one, { method: 'DELETE' });
    const again = await own.asServer(list, POST({ user_id: ALAN, role: 'org:member' }));
    expect(await told(own)).toEqual([
      ['organizationMembership.created', begun.body],
      ['organizationMembership.updated', changed.body],
      ['organizationMembership.deleted', ended.body],
      ['organizationMembership.created', again.body],
    ]);
    expect(same.body).toEqual(changed.body);
    expect(changed.body).toMatchObject({ id: begun.body.id, role: 'org:admin', role_name: 'Admin' });
    expect(Number(changed.body.updated_at)).toBeGreaterThan(Number(begun.body.updated_at));
    expect(ended.body).toMatchObject({ id: begun.body.id, role: 'org:admin', organization: { members_count: 2 } });
    expect(again.body.id).not.toBe(begun.body.id);
  });

  it('ends before its user does', async () => {
    const own = await aClerk();
    own.clerk.mint(GRACE, ACME);
    await own.asServer(`/v1/users/${GRACE}`, { method: 'DELETE' });
    expect((await told(own)).map(([type]) => type)).toEqual([
      'session.created',
      'session.removed',
      'organizationMembership.deleted',
      'organizationMembership.deleted',
      'user.deleted',
    ]);
    expect((await own.asServer('/v1/organization_memberships')).body).toMatchObject({ total_count: 2 });
  });

  it('has the permissions of its role, in Clerk and in a token', async () => {
    const { asServer, clerk } = await aClerk();
    const { body } = await asServer(`${ACME_PATH}/memberships?order_by=-created_at`);
    const permissions = (body.data as { role: string; permissions: string[] }[]).map((one) => [
      one.role,
      one.permissions,
    ]);
    expect(permissions).toContainEqual([
      'org:admin',
      expect.arrayContaining(['org:sys_memberships:manage', 'org:projects:read', 'org:projects:write']),
    ]);
    expect(permissions).toContainEqual(['org:member', expect.not.arrayContaining(['org:projects:write'])]);
    clerk.organizations.memberships.changeRole(ACME, GRACE, 'org:admin');
    clerk.organizations.update(ACME, { slug: 'acme-2' });
    const admin = clerk.mint(GRACE, ACME);
    expect(claimsOf(admin)).toMatchObject({ pla: 'o:free_org', o: { id: ACME, slg: 'acme-2', rol: 'admin' } });
    expect(permissionsIn(admin)).toEqual(permissionsOf('org:admin'));
    clerk.organizations.memberships.changeRole(ACME, ADA, 'org:member');
    const member = clerk.mint(ADA, ACME);
    expect(claimsOf(member)).toMatchObject({ o: { rol: 'member' } });
    expect(permissionsIn(member)).toEqual(permissionsOf('org:member'));
    clerk.organizations.memberships.remove(ACME, ADA);
    expect(() => clerk.mint(ADA, ACME)).toThrow('No such membership');
  });

  it('keeps its id over a restart where it was there from the beginning', async () => {
    const [before, after] = [await aClerk(), await aClerk()].map(({ clerk }) => clerk.organizations.memberships);
    expect(after?.get(ACME, ADA)).toEqual(before?.get(ACME, ADA));
    expect(after?.get(GLOBEX, GRACE).id).not.toBe(after?.get(ACME, GRACE).id);
  });
});

describe('an invitation of the local Clerk', () => {
  it('is sent, and accepted with its role and metadata', async () => {
    const { invitation, ...own } = await withInvitation();
    expect(invitation).toMatchObject({
      id: expect.stringMatching(/^orginv_\w{27}$/),
      status: 'pending',
      inviter_id: ADA,
    });
    expect(Math.abs(invitation.expires_at - Date.now() - 30 * DAY_MS)).toBeLessThan(PATIENCE_MS);
    const { body } = await own.asPage(`/local/organizations/${ACME}/invitations/${invitation.id}/accept`, POST({}));
    expect(body).toMatchObject({ id: invitation.id, status: 'accepted' });
    expect(Number(body.updated_at)).toBeGreaterThan(invitation.updated_at);
    const data = { public_organization_data: expect.objectContaining({ id: ACME, name: 'Acme', slug: 'acme' }) };
    const joined = own.clerk.organizations.memberships.get(ACME, ALAN);
    expect(joined).toMatchObject({ role: 'org:admin', public_metadata: { team: 'a' } });
    expect(await told(own)).toEqual([
      ['organizationInvitation.created', { ...invitation, data }],
      ['organizationInvitation.accepted', { ...body, user_id: ALAN, data }],
      ['organizationMembership.created', joined],
    ]);
  });

  it('is accepted by who signs up for it', async () => {
    const own = await aClerk();
    const { body } = await own.asPage(
      `/local/organizations/${ACME}/invitations`,
      POST({ email_address: 'joan@example.com', role: 'org:member' }),
    );
    await own.asPage(`/local/organizations/${ACME}/invitations/${String(body.id)}/accept`, POST({}));
    expect((await told(own)).map(([type]) => type)).toEqual([
      'organizationInvitation.created',
      'user.created',
      'organizationInvitation.accepted',
      'organizationMembership.created',
    ]);
  });

  it('is revoked', async () => {
    const { path, invitation, ...own } = await withInvitation();
    const { body } = await own.asServer(`${path}/revoke`, POST({ requesting_user_id: ADA }));
    expect(body).toMatchObject({ id: invitation.id, status: 'revoked' });
    expect((await told(own)).at(-1)).toMatchObject(['organizationInvitation.revoked', { ...body }]);
    expect((await own.asServer(path)).body).toEqual(body);
  });

  it('expires by itself, and then the address can be invited again', async () => {
    const { path, invitation, ...own } = await withInvitation();
    const { book } = own.clerk.organizations;
    book.invitations.change(book.invitation(ACME, invitation.id), { expires_at: Date.now() - 1 });
    expect((await own.asServer(path)).body.status).toBe('expired');
    expect((await own.asServer(`${ACME_PATH}/invitations?status=expired`)).body.total_count).toBe(1);
    expect(own.clerk.organizations.get(ACME).pending_invitations_count).toBe(0);
    const again = await own.asServer(
      `${ACME_PATH}/invitations`,
      POST({ email_address: 'alan@example.com', role: 'org:member', expires_in_days: 1 }),
    );
    expect(Math.abs(Number(again.body.expires_at) - Date.now() - DAY_MS)).toBeLessThan(PATIENCE_MS);
  });

  it('is nobody’s that we know once the inviter is gone', async () => {
    const { path, ...own } = await withInvitation();
    own.clerk.directory.deleteUser(ADA);
    expect((await own.asServer(path)).body).toMatchObject({ inviter_id: ADA, public_inviter_data: null });
  });
});

describe('the local Clerk refuses as Clerk does', () => {
  const member = { user_id: ALAN, role: 'org:member' };
  const invited = { email_address: 'joan@example.com', role: 'org:member' };

  it.each<[path: string, call: Call, status: number, code: string, parameter?: string]>([
    ['/v1/organizations/org_x', {}, 404, 'resource_not_found'],
    ['/v1/organizations/org_x', PATCH({ name: 'X' }), 404, 'resource_not_found'],
    ['/v1/organizations/org_x', { method: 'DELETE' }, 404, 'resource_not_found'],
    ['/v1/organizations', POST({}), 422, 'form_param_missing', 'name'],
    ['/v1/organizations', POST({ name: '' }), 422, 'form_param_missing', 'name'],
    ['/v1/organizations', POST({ name: 1 }), 422, 'form_param_format_invalid', 'name'],
    ['/v1/organizations', POST({ name: 'x'.repeat(257) }), 422, 'form_param_format_invalid', 'name'],
    ['/v1/organizations', POST({ name: 'X', slug: 'A B' }), 422, 'form_param_format_invalid', 'slug'],
    ['/v1/organizations', POST({ name: 'X', created_at: 'x' }), 422, 'form_param_format_invalid', 'created_at'],
    ['/v1/organizations', POST({ name: 'X', nothing: 1 }), 422, 'form_param_unknown', 'nothing'],
    ['/v1/organizations', POST({ name: 'X', slug: 'acme' }), 422, 'form_identifier_exists', 'slug'],
    ['/v1/organizations', POST({ name: 'X', created_by: 'user_x' }), 404, 'resource_not_found'],
    [ACME_PATH, PATCH({ slug: 'globex' }), 422, 'form_identifier_exists', 'slug'],
    [ACME_PATH, PATCH({ public_metadata: {} }), 422, 'form_param_unknown', 'public_metadata'],
    [ACME_PATH, PATCH({ max_allowed_memberships: -1 }), 422, 'form_param_format_invalid', 'max_allowed_memberships'],
    ['/v1/organizations/org_x/memberships', POST(member), 404, 'resource_not_found'],
    [`${ACME_PATH}/memberships`, POST({ role: 'org:member' }), 422, 'form_param_missing', 'user_id'],
    [`${ACME_PATH}/memberships`, POST({ user_id: ALAN }), 422, 'form_param_missing', 'role'],
    [`${ACME_PATH}/memberships`, POST({ ...member, user_id: 'user_x' }), 404, 'resource_not_found'],
    [`${ACME_PATH}/memberships`, POST({ ...member, role: 'org:owner' }), 404, 'resource_not_found', 'role'],
    [`${ACME_PATH}/memberships`, POST({ ...member, user_id: GRACE }), 400, 'already_a_member_in_organization'],
    [`${ACME_PATH}/memberships/${ALAN}`, PATCH({ role: 'org:admin' }), 404, 'resource_not_found'],
    [`${ACME_PATH}/memberships/${GRACE}`, PATCH({ role: 'org:owner' }), 404, 'resource_not_found', 'role'],
    [`${ACME_PATH}/memberships/${ADA}`, PATCH({ role: 'org:member' }), 400, 'organization_minimum_permissions_needed'],
    [`${ACME_PATH}/memberships/${ADA}`, { method: 'DELETE' }, 400, 'organization_minimum_permissions_needed'],
    [`${ACME_PATH}/memberships/${ALAN}`, { method: 'DELETE' }, 404, 'resource_not_found'],
    [`${ACME_PATH}/invitations`, POST({ role: 'org:member' }), 422, 'form_param_missing', 'email_address'],
    [
      `${ACME_PATH}/invitations`,
      POST({ ...invited, email_address: 'x' }),
      422,
      'form_param_format_invalid',
      'email_address',
    ],
    [
      `${ACME_PATH}/invitations`,
      POST({ ...invited, expires_in_days: 366 }),
      422,
      'form_param_format_invalid',
      'expires_in_days',
    ],
    [`${ACME_PATH}/invitations`, POST({ ...invited, role: 'org:owner' }), 404, 'resource_not_found', 'role'],
    [`${ACME_PATH}/invitations`, POST({ ...invited, inviter_user_id: GRACE }), 403, 'not_an_admin_in_organization'],
    [`${ACME_PATH}/invitations`, POST({ ...invited, inviter_user_id: ALAN }), 403, 'not_an_admin_in_organization'],
    [
      `${ACME_PATH}/invitations`,
      POST({ ...invited, email_address: 'Grace@example.com' }),
      400,
      'already_a_member_in_organization',
    ],
    [`${ACME_PATH}/invitations/orginv_x`, {}, 404, 'organization_invitation_not_found'],
    [`${ACME_PATH}/invitations/orginv_x/revoke`, { method: 'POST' }, 404, 'organization_invitation_not_found'],
    ['/v1/users/user_x/organization_memberships', {}, 404, 'resource_not_found'],
    ['/v1/organizations?limit=501', {}, 422, 'form_param_value_invalid', 'limit'],
    ['/v1/organizations?order_by=name', {}, 422, 'form_param_value_invalid', 'order_by'],
    ['/v1/organizations?created_after=1', {}, 501, 'not_implemented'],
    [`/v1/organizations?organization_id=-${ACME}`, {}, 501, 'not_implemented'],
    [`${ACME_PATH}/memberships?offset=-1`, {}, 422, 'form_param_value_invalid', 'offset'],
    [`${ACME_PATH}/memberships?username=x`, {}, 501, 'not_implemented'],
    [`/v1/organization_memberships?user_id=${ADA}`, {}, 501, 'not_implemented'],
    [`${ACME_PATH}/invitations?status=open`, {}, 422, 'form_param_value_invalid', 'status'],
    ['/v1/organization_invitations?email_address=x', {}, 501, 'not_implemented'],
  ])('%s %j', async (path, options, status, code, ...[parameter]) => {
    const { asServer, clerk } = await aClerk();
    const before = [ACME, GLOBEX].map((id) => clerk.organizations.get(id));
    const answer = await asServer(path, options);
    const meta = parameter === undefined ? {} : { param_name: parameter };
    expect([answer.status, answer.body.errors]).toMatchObject([status, [{ code, meta }]]);
    expect(clerk.events.list()).toEqual([]);
    expect([ACME, GLOBEX].map((id) => clerk.organizations.get(id))).toEqual(before);
  });

  it('a second invitation of an address, and one that is not pending', async () => {
    const { asServer, path } = await withInvitation();
    const twice = await asServer(`${ACME_PATH}/invitations`, POST({ ...invited, email_address: 'Alan@example.com' }));
    expect([twice.status, twice.body.errors]).toMatchObject([400, [{ code: 'duplicate_record' }]]);
    const byMember = await asServer(`${path}/revoke`, POST({ requesting_user_id: GRACE }));
    expect([byMember.status, byMember.body.errors]).toMatchObject([403, [{ code: 'not_an_admin_in_organization' }]]);
    await asServer(`${path}/revoke`, { method: 'POST' });
    const late = await asServer(`${path}/revoke`, { method: 'POST' });
    expect([late.status, late.body.errors]).toMatchObject([404, [{ code: 'organization_invitation_not_pending' }]]);
  });

  it('to accept for who is a member, or after the end, and signs nobody up for it', async () => {
    const { asPage, invitation, clerk } = await withInvitation();
    const accept = (body: object) =>
      asPage(`/local/organizations/${ACME}/invitations/${invitation.id}/accept`, POST(body));
    expect(await accept({ user_id: GRACE })).toMatchObject({
      status: 400,
      body: { errors: [{ code: 'already_a_member_in_organization' }] },
    });
    clerk.organizations.invitations.revoke(ACME, invitation.id);
    clerk.directory.deleteUser(ALAN);
    expect(await accept({})).toMatchObject({ body: { errors: [{ code: 'organization_invitation_not_pending' }] } });
    expect(clerk.directory.users.withEmail('alan@example.com')).toBeUndefined();
  });

  it('more members than are allowed, pending invitations included', async () => {
    const { asServer, clerk, invitation } = await withInvitation();
    const exceeded = { status: 403, body: { errors: [{ code: 'organization_membership_quota_exceeded' }] } };
    clerk.organizations.update(ACME, { max_allowed_memberships: 3 });
    expect(await asServer(`${ACME_PATH}/memberships`, POST(member))).toMatchObject(exceeded);
    expect(await asServer(`${ACME_PATH}/invitations`, POST(invited))).toMatchObject(exceeded);
    clerk.organizations.update(ACME, { max_allowed_memberships: 4 });
    expect(await asServer(`${ACME_PATH}/invitations`, POST(invited))).toMatchObject({ status: 200 });
    clerk.organizations.invitations.accept(ACME, invitation.id, ALAN);
    expect(clerk.organizations.get(ACME)).toMatchObject({ members_count: 3, pending_invitations_count: 1 });
  });
});

describe('the page of the local Clerk', () => {
  it('changes organizations as the Backend API does, for who holds its secret', async () => {
    const { asPage, asNobody, clerk } = await aClerk();
    const created = POST({ name: 'Initech', created_by: ADA });
    expect((await asNobody('/local/organizations', created)).status).toBe(403);
    const path = `/local/organizations/${String((await asPage('/local/organizations', created)).body.id)}`;
    expect((await asPage(`${path}/memberships`, POST({ user_id: ALAN, role: 'org:member' }))).status).toBe(200);
    expect((await asPage(`${path}/memberships/${ALAN}`, PATCH({ role: 'org:admin' }))).status).toBe(200);
    expect((await asPage(`${path}/memberships/${ADA}`, { method: 'DELETE' })).status).toBe(200);
    const people = (await asPage('/local/people')).body as unknown as { id: string; organizations: object[] }[];
    expect(people.find(({ id }) => id === ALAN)?.organizations).toContainEqual(
      expect.objectContaining({ name: 'Initech', role: 'admin' }),
    );
    expect(people.find(({ id }) => id === ADA)?.organizations).toMatchObject([{ id: ACME, name: 'Acme' }]);
    await asPage(path, { method: 'DELETE' });
    expect([...clerk.organizations.book.organizations.all()].map(({ id }) => id)).toEqual([ACME, GLOBEX]);
  });

  it('is served with its parts', async () => {
    const { asNobody } = await aClerk();
    const { body } = await asNobody('/page.js');
    const parts = [...String(body.text).matchAll(/from '\.(.+)'/g)].map(([, part]) => String(part));
    expect(parts).toHaveLength(3);
    for (const part of parts) expect((await asNobody(part)).headers['content-type']).toBe('text/javascript');
  });
});

describe('an event on demand', () => {
  it.each<[type: string, ids: object, data: object]>([
    ['organization.updated', { organization_id: ACME }, { id: ACME, name: 'Acme', members_count: 2 }],
    ['organization.deleted', { organization_id: ACME }, { id: ACME, slug: 'acme', deleted: true }],
    ['organization.deleted', { organization_id: 'org_x' }, { id: 'org_x', deleted: true }],
    [
      'organizationMembership.deleted',
      { organization_id: ACME, user_id: GRACE },
      { role: 'org:member', organization: { id: ACME }, public_user_data: { user_id: GRACE } },
    ],
  ])('is %s of %j', async (type, ids, data) => {
    const own = await aClerk();
    expect((await own.asPage('/local/events', POST({ type, ...ids }))).status).toBe(200);
    expect(await told(own)).toMatchObject([[type, data]]);
    expect(own.clerk.organizations.get(ACME).members_count).toBe(2);
  });

  it.each([
    ['created', 'pending'],
    ['accepted', 'accepted'],
    ['revoked', 'revoked'],
  ])('is of an invitation as if it had just been %s', async (what, status) => {
    const { invitation, ...own } = await withInvitation();
    const ids = { organization_id: ACME, invitation_id: invitation.id, user_id: ALAN };
    await own.asPage('/local/events', POST({ type: `organizationInvitation.${what}`, ...ids }));
    expect((await told(own)).at(-1)).toMatchObject([
      `organizationInvitation.${what}`,
      { id: invitation.id, status, user_id: ALAN, data: { public_organization_data: { id: ACME } } },
    ]);
    expect(own.clerk.organizations.invitations.get(ACME, invitation.id).status).toBe('pending');
  });

  it.each([
    { organization_id: 'org_x' },
    { organization_id: ACME, user_id: ALAN },
    { organization_id: ACME, invitation_id: 'orginv_x' },
  ])('is refused of what is not there: %j', async (ids) => {
    const { asPage } = await aClerk();
    expect((await asPage('/local/events', POST({ type: 'x.updated', ...ids }))).status).toBe(404);
  });
});

describe('the Clerk of the tests', () => {
  it('knows organizations and memberships of which it tells nobody', async () => {
    const clerk = await TestClerk.start();
    clerk.deliverEventsTo('http://127.0.0.1:9');
    const [ours, theirs] = [clerk.anOrganization({ slug: 'ours' }), clerk.anOrganization()];
    const [ada, grace] = [clerk.aUser(), clerk.aUser()];
    const membership = clerk.aMembership(ours, ada, 'org:admin');
    clerk.aMembership(ours, grace);
    expect(membership).toMatchObject({ role: 'org:admin', organization: { id: ours.id, slug: 'ours' } });
    expect(clerk.organizations.get(ours.id)).toMatchObject({ members_count: 2 });
    expect(theirs.slug).not.toBe(ours.slug);
    expect(clerk.events.list()).toEqual([]);
    clerk.organizations.memberships.remove(ours.id, grace.id);
    expect(clerk.events.list()).toMatchObject([{ type: 'organizationMembership.deleted' }]);
  });

  it('mints a token with the role of the user, and claims laid over', async () => {
    const clerk = await TestClerk.start();
    const [ours, ada, grace] = [clerk.anOrganization(), clerk.aUser(), clerk.aUser()];
    clerk.aMembership(ours, ada, 'org:admin');
    clerk.aMembership(ours, grace);
    const o = { id: ours.id, slg: ours.slug };
    const [admin, member] = [clerk.aTokenIn(ours, ada), clerk.aTokenIn(ours, grace, { pla: 'o:pro' })];
    expect(claimsOf(admin)).toMatchObject({ sub: ada.id, pla: 'o:free_org', o: { ...o, rol: 'admin' } });
    expect(permissionsIn(admin)).toEqual(permissionsOf('org:admin'));
    expect(claimsOf(member)).toMatchObject({ sub: grace.id, pla: 'o:pro', o: { ...o, rol: 'member' } });
    expect(permissionsIn(member)).toEqual(permissionsOf('org:member'));
    expect(() => clerk.aTokenIn(ours, clerk.aUser())).toThrow('No such membership');
  });
});

describe('the lists of the local Clerk', () => {
  const idsIn = (body: Record<string, unknown>) => (body.data as { id: string }[]).map(({ id }) => id);
  const organizations = [3, 1, 2].map((n) => ({ id: `org_${n}`, name: `N${n}`, slug: `n-${n}`, members: {} }));

  /** Three organizations of different ages; of the second Ada is a member. */
  async function aged() {
    const own = await aClerk({ organizations });
    const { book, memberships } = own.clerk.organizations;
    for (const n of [1, 2, 3]) book.organizations.change(book.organization(`org_${n}`), { created_at: n });
    memberships.add('org_2', { user_id: ADA, role: 'org:admin' });
    return own;
  }

  it.each([
    ['', ['org_3', 'org_2', 'org_1']],
    ['order_by=-created_at', ['org_3', 'org_2', 'org_1']],
    ['order_by=%2Bcreated_at', ['org_1', 'org_2', 'org_3']],
    ['organization_id=org_1&organization_id=%2Borg_3&organization_id=org_x', ['org_3', 'org_1']],
    [`user_id=${ADA}`, ['org_2']],
    [`user_id=${GRACE}`, []],
    ['query=n-1', ['org_1']],
    ['query=N', ['org_3', 'org_2', 'org_1']],
    ['query=org_', []],
  ])('have these organizations for %j', async (query, ids) => {
    const { asServer } = await aged();
    const { body } = await asServer(`/v1/organizations?${query}`);
    expect([idsIn(body), body.total_count]).toEqual([ids, ids.length]);
  });

  it('are paged, and count all', async () => {
    const { asServer } = await aged();
    const pages = await Promise.all(
      [0, 2, 4].map(async (offset) => (await asServer(`/v1/organizations?limit=2&offset=${offset}`)).body),
    );
    expect(pages.map((body) => [idsIn(body), body.total_count])).toEqual([
      [['org_3', 'org_2'], 3],
      [['org_1'], 3],
      [[], 3],
    ]);
  });

  it.each([
    ['organizations/org_1/memberships', 0],
    [`organizations/${ACME}/memberships`, 2],
    [`organizations/acme/memberships`, 2],
    [`organizations/${ACME}/memberships?user_id=${GRACE}&user_id=${ALAN}`, 1],
    [`organizations/${ACME}/memberships?role=org:admin`, 1],
    [`organizations/${ACME}/memberships?role=org:admin&user_id=${GRACE}`, 0],
    [`users/${GRACE}/organization_memberships`, 2],
    ['organization_memberships', 4],
    [`organizations/${ACME}/invitations`, 2],
    [`organizations/${ACME}/invitations?status=pending`, 1],
    [`organizations/${ACME}/invitations?status=pending&status=revoked`, 2],
    [`organizations/${ACME}/invitations?status=accepted`, 0],
    [`organizations/${ACME}/invitations?email_address=alan@example.com`, 1],
    [`organizations/${ACME}/invitations?email_address=alan`, 0],
    ['organization_invitations?query=alan', 1],
    ['organization_invitations?status=revoked', 1],
  ])('are narrowed: %s', async (path, count) => {
    const { asServer, clerk } = await withInvitation();
    clerk.organizations.create({ id: 'org_1', name: 'Empty' });
    const { invitations } = clerk.organizations;
    const { id } = invitations.create(ACME, { email_address: 'joan@example.com', role: 'org:member' });
    invitations.revoke(ACME, id);
    const { body } = await asServer(`/v1/${path}`);
    expect(body).toMatchObject({ total_count: count, data: { length: count } });
  });

  it('are paged quickly when they are many, though they change meanwhile', async () => {
    const users = Array.from({ length: 10_000 }, (_, i) => localUser(`user_${i}`, 'N', `${i}`, `${i}@example.com`));
    const many = Array.from({ length: 10_000 }, (_, o) => {
      const members = Array.from({ length: 10 }, (_member, m) => [`user_${(o + m * 997) % 10_000}`, 'member']);
      return { id: `org_${o}`, name: `${o}`, slug: `${o}`, members: Object.fromEntries(members) };
    });
    const { asServer, clerk } = await aClerk({ users, organizations: many, webhookUrl: undefined });
    clerk.organizations.memberships.changeRole('org_7', 'user_1004', 'org:admin');
    const seen = new Set<string>();
    const started = performance.now();
    for (let offset = 0; offset < 100_000; offset += 500) {
      clerk.organizations.memberships.changeRole('org_7', 'user_7', offset % 1000 ? 'org:member' : 'org:admin');
      clerk.organizations.memberships.add('org_8', { user_id: 'user_0', role: 'org:member' });
      clerk.organizations.memberships.remove('org_8', 'user_0');
      const { body } = await asServer(`/v1/organization_memberships?limit=500&offset=${offset}`);
      for (const id of idsIn(body)) seen.add(id);
    }
    expect(performance.now() - started).toBeLessThan(3 * PATIENCE_MS);
    expect(seen.size).toBe(100_000);
  });
});

describe("Clerk's own SDK", () => {
  it('reads and changes organizations', async () => {
    const { sdk } = await aClerk();
    const created = await sdk.organizations.createOrganization({ name: 'Initech', slug: 'initech', createdBy: ADA });
    const changed = await sdk.organizations.updateOrganization(created.id, {
      name: 'Initrode',
      maxAllowedMemberships: 9,
    });
    expect(changed).toMatchObject({ slug: 'initech', name: 'Initrode', maxAllowedMemberships: 9, createdBy: ADA });
    expect(await sdk.organizations.getOrganization({ slug: 'initech', includeMembersCount: true })).toMatchObject({
      id: created.id,
      membersCount: 1,
    });
    const { data, totalCount } = await sdk.organizations.getOrganizationList({ limit: 2, orderBy: '-created_at' });
    expect([data.map(({ name }) => name), totalCount]).toEqual([['Initrode', expect.any(String)], 3]);
    await sdk.organizations.deleteOrganization(created.id);
    await expect(sdk.organizations.getOrganization({ organizationId: created.id })).rejects.toMatchObject({
      status: 404,
      errors: [{ code: 'resource_not_found' }],
    });
  });

  it('reads and changes memberships', async () => {
    const { sdk } = await aClerk();
    const of = { organizationId: ACME, userId: ALAN };
    await sdk.organizations.createOrganizationMembership({ ...of, role: 'org:member' });
    expect(await sdk.organizations.updateOrganizationMembership({ ...of, role: 'org:admin' })).toMatchObject({
      role: 'org:admin',
      organization: { id: ACME, slug: 'acme' },
      publicUserData: { userId: ALAN, identifier: 'alan@example.com' },
    });
    const members = await sdk.organizations.getOrganizationMembershipList({
      organizationId: ACME,
      role: ['org:admin'],
    });
    expect(new Set(members.data.map(({ publicUserData }) => publicUserData?.userId))).toEqual(new Set([ADA, ALAN]));
    expect((await sdk.users.getOrganizationMembershipList({ userId: ALAN })).totalCount).toBe(2);
    expect((await sdk.organizations.getInstanceOrganizationMembershipList({ limit: 1 })).totalCount).toBe(5);
    await sdk.organizations.deleteOrganizationMembership(of);
    expect((await sdk.users.getOrganizationMembershipList({ userId: ALAN })).totalCount).toBe(1);
  });

  it('reads and changes invitations', async () => {
    const { sdk } = await aClerk();
    const created = await sdk.organizations.createOrganizationInvitation({
      organizationId: ACME,
      emailAddress: 'joan@example.com',
      role: 'org:member',
      inviterUserId: ADA,
      redirectUrl: 'https://app.example.com',
    });
    expect(created).toMatchObject({ status: 'pending', organizationId: ACME, emailAddress: 'joan@example.com' });
    const of = { organizationId: ACME, invitationId: created.id };
    expect(await sdk.organizations.getOrganizationInvitation(of)).toEqual(created);
    const pending = () =>
      sdk.organizations.getOrganizationInvitationList({ organizationId: ACME, status: ['pending', 'expired'] });
    expect((await pending()).data.map(({ id }) => id)).toEqual([created.id]);
    const revoked = await sdk.organizations.revokeOrganizationInvitation({ ...of, requestingUserId: ADA });
    expect(revoked.status).toBe('revoked');
    expect((await pending()).totalCount).toBe(0);
  });
});

whenPublished("the shapes of organizations, by Clerk's OpenAPI files in the folder CLERK_OPENAPI", () => {
  let api: Record<string, Schema>;
  let webhooks: Record<string, Schema>;

  beforeAll(async () => {
    api = await schemasIn('bapi-2026-05-12.yml');
    webhooks = await schemasIn('webhooks-2025-04-15.yml');
  });

  const member = { user_id: ALAN, role: 'org:member' };
  const invited = { email_address: 'joan@example.com', role: 'org:member', inviter_user_id: ADA };

  it.each<[string, string, Call]>([
    ['Organizations', '/v1/organizations?include_members_count=true', {}],
    ['Organization', ACME_PATH, {}],
    ['Organization', '/v1/organizations', POST({ name: 'X', created_by: ADA })],
    ['Organization', '/v1/organizations', POST({ name: 'X' })],
    ['Organization', ACME_PATH, PATCH({ name: 'X' })],
    ['DeletedObject', ACME_PATH, { method: 'DELETE' }],
    ['OrganizationMemberships', `${ACME_PATH}/memberships`, {}],
    ['OrganizationMemberships', '/v1/organization_memberships', {}],
    ['OrganizationMemberships', `/v1/users/${GRACE}/organization_memberships`, {}],
    ['OrganizationMembership', `${ACME_PATH}/memberships`, POST(member)],
    ['OrganizationMembership', `${ACME_PATH}/memberships/${GRACE}`, PATCH({ role: 'org:admin' })],
    ['OrganizationMembership', `${ACME_PATH}/memberships/${GRACE}`, { method: 'DELETE' }],
    ['OrganizationInvitations', `${ACME_PATH}/invitations`, {}],
    ['OrganizationInvitationsWithPublicOrganizationData', '/v1/organization_invitations', {}],
    ['OrganizationInvitation', `${ACME_PATH}/invitations`, POST(invited)],
    ['OrganizationInvitation', `${ACME_PATH}/invitations`, POST({ ...invited, inviter_user_id: null })],
    ['OrganizationSettings', '/v1/instance/organization_settings', {}],
    ['ClerkErrors', `${ACME_PATH}/memberships`, POST({ ...member, user_id: ADA })],
  ])('are %s at %s %j', async (name, path, options) => {
    const { asServer } = await withInvitation();
    const { body } = await asServer(path, options);
    expect(complaints(api, { $ref: name }, body)).toEqual([]);
    expect(complaints(api, { $ref: name }, { other: 1 })).not.toEqual([]);
  });

  it('are those of an invitation', async () => {
    const { asServer, path } = await withInvitation();
    for (const body of [(await asServer(path)).body, (await asServer(`${path}/revoke`, { method: 'POST' })).body])
      expect(complaints(api, { $ref: 'OrganizationInvitation' }, body)).toEqual([]);
  });

  it('are those of the events', async () => {
    const { invitation, ...own } = await withInvitation();
    const { organizations } = own.clerk;
    organizations.create({ name: 'Initech', created_by: ADA });
    organizations.update(ACME, { name: 'X' });
    organizations.invitations.accept(ACME, invitation.id, ALAN);
    const { id } = organizations.invitations.create(ACME, invited);
    organizations.invitations.revoke(ACME, id);
    organizations.memberships.changeRole(ACME, GRACE, 'org:admin');
    organizations.delete(ACME);
    const types = new Set<string>();
    for (const [type, data] of await told(own)) {
      types.add(type);
      expect([type, complaints(webhooks, payloadOf(type), data)]).toEqual([type, []]);
      expect([type, complaints(webhooks, payloadOf(type), { other: 1 })]).not.toEqual([type, []]);
    }
    expect(types.size).toBe(9);
  });
});
