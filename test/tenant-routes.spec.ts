import { randomBytes, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { asTenant } from '../src/database/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { ClerkProxy } from './support/clerk-proxy.ts';
import type { Answer } from './support/http.ts';
import { UNSEEMLY_NAMES } from './support/names.ts';
import { routesOf } from './support/routes.ts';
import { aMember, anAdmin, type Caller, type Member, meet, rowsOf } from './support/tenants.ts';

const MEMBERS = '/v1/tenant/members';
const INVITATIONS = '/v1/tenant/invitations';
const MEMBERSHIPS = '/v1/me/memberships';
const SESSIONS = '/v1/me/sessions';
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const ID = expect.stringMatching(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[\da-f]{4}-[\da-f]{12}$/);

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const tokenOf = (caller: Caller | Member) => (typeof caller === 'function' ? caller() : caller.token());
const ask = (app: TestApp, caller: Caller | Member, method: string, path: string, body?: object): Promise<Answer> =>
  app.as(tokenOf(caller), path, { method, body });
/** A caller without an organization. */
const alone = (user: { id: string } = clerk.aUser()): Caller => {
  return () => clerk.aToken({ sub: user.id });
};
const idOf = async (app: TestApp, member: Member) => (await meet(app, member.token())).user.id;
const refusalOf = ({ status, body }: Answer) => [status, body.code];

/** An app whose calls to Clerk pass through a proxy of its own, with Clerk's limit for itself. */
async function anApp(env: Record<string, string> = {}): Promise<{ app: TestApp; proxy: ClerkProxy }> {
  const proxy = await ClerkProxy.start(clerk.origin);
  return { app: await startApp(clerk, { CLERK_API_URL: proxy.url, ...env }), proxy };
}

/** What happened at Clerk since is told to the app now. */
async function tellAll(app: TestApp, since: number): Promise<void> {
  clerk.deliverEventsTo(app.url);
  for (const { id } of clerk.events.list().toReversed().slice(since)) clerk.events.replay(id);
  const isDone = () => clerk.events.list().every(({ state }) => state === 'delivered');
  while (!isDone()) await pause(10);
}

/** Clerk keeps what it tells, for later, and nobody hears of it yet. */
function keepEvents(): number {
  clerk.events.url = 'http://127.0.0.1:9/nobody';
  return clerk.events.list().length;
}

/** Waits until the token is refused. */
async function refused(app: TestApp, token: string): Promise<unknown> {
  for (;;) {
    const { status, body } = await app.as(token, '/v1/me');
    if (status !== 200) return [status, body.code];
    await pause(10);
  }
}

describe('a tenant', () => {
  let app: TestApp;
  let proxy: ClerkProxy;

  beforeAll(async () => {
    ({ app, proxy } = await anApp());
  });

  it('is made at Clerk and here, and its maker is its admin before any event comes', async () => {
    const user = clerk.aUser();
    const made = await ask(app, alone(user), 'POST', '/v1/tenants', { name: '  Globex ', slug: 'globex' });
    const { clerkId } = made.body as { clerkId: string };
    const shape = { id: ID, clerkId, name: 'Globex', slug: 'globex', imageUrl: `https://img.clerk.com/${clerkId}` };
    expect([made.status, made.headers.location, made.body]).toEqual([
      201,
      '/v1/tenant',
      { ...shape, settings: {}, maxMembers: null, createdAt: TIME },
    ]);
    expect(clerk.organizations.get(clerkId)).toMatchObject({ name: 'Globex', slug: 'globex', created_by: user.id });
    const owner = () => clerk.aTokenIn({ id: clerkId }, user);
    expect((await ask(app, owner, 'GET', '/v1/tenant')).body).toEqual(made.body);
    const own = await ask(app, alone(user), 'GET', MEMBERSHIPS);
    expect(own.body.data).toMatchObject([{ tenant: { id: made.body.id }, role: 'org:admin' }]);
    expect((await ask(app, owner, 'PATCH', '/v1/tenant', { settings: { a: 1 } })).status).toBe(200);
  });

  it('needs no slug', async () => {
    const { status, body } = await ask(app, alone(), 'POST', '/v1/tenants', { name: 'Initech' });
    expect([status, body.name]).toEqual([201, 'Initech']);
    expect(clerk.organizations.get(body.clerkId as string).slug).toBe(body.slug);
  });

  it('is as its answer says when the events follow, which change nothing but to name the membership', async () => {
    const since = keepEvents();
    const { body } = await ask(app, alone(), 'POST', '/v1/tenants', { name: 'Hooli' });
    const organization = { id: body.clerkId as string };
    const before = await rowsOf(app.database, organization);
    expect(before.memberships).toMatchObject([{ role: 'org:admin', ended_at: null, clerk_id: null }]);
    await tellAll(app, since);
    const after = await rowsOf(app.database, organization);
    expect(after.tenants).toEqual(before.tenants);
    expect(after.memberships).toEqual([
      {
        ...before.memberships?.[0],
        clerk_id: expect.stringMatching(/^orgmem_/),
        clerk_created_at: expect.any(String),
        clerk_updated_at: expect.any(String),
        clerk_event_id: expect.any(String),
        updated_at: expect.any(Date),
      },
    ]);
    const kinds = clerk.events.list().slice(0, 2);
    for (const { id } of kinds) clerk.events.replay(id);
    await pause(200);
    expect(await rowsOf(app.database, organization)).toEqual(after);
    expect((await app.database.query("select 1 from revocations where kind = 'membership'")).length).toBe(0);
  });

  it.each(UNSEEMLY_NAMES)('a name with %s is refused', async (_what, name) => {
    const ours = anAdmin(clerk);
    for (const [method, path] of [
      ['PATCH', '/v1/tenant'],
      ['POST', '/v1/tenants'],
    ] as const) {
      const { status, body } = await ask(app, ours, method, path, { name });
      expect([status, body.errors]).toEqual([400, [{ pointer: '/name', detail: expect.any(String) }]]);
    }
  });

  it('is changed at Clerk by its admin, who reads it at once; the event that follows changes nothing', async () => {
    const ours = anAdmin(clerk);
    const { body: first } = await ask(app, ours, 'GET', '/v1/tenant');
    const since = keepEvents();
    const slug = `acme-${randomBytes(4).toString('hex')}`;
    const changes = { name: 'Acme 2', slug, settings: { theme: 'dark', list: [1, null] } };
    const { status, body } = await ask(app, ours, 'PATCH', '/v1/tenant', changes);
    expect([status, body]).toEqual([200, { ...first, ...changes, imageUrl: expect.any(String) }]);
    expect((await ask(app, ours, 'GET', '/v1/tenant')).body).toEqual(body);
    expect((await meet(app, ours.token())).tenant).toMatchObject({ name: 'Acme 2', slug });
    expect(clerk.organizations.get(ours.organization.id)).toMatchObject({ name: 'Acme 2', slug });
    const before = await rowsOf(app.database, ours.organization);
    await tellAll(app, since);
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
  });

  it('has its settings here alone: Clerk is not asked', async () => {
    const ours = anAdmin(clerk);
    await meet(app, ours.token());
    const calls = proxy.calls.filter(({ path }) => path.startsWith('/v1/organizations')).length;
    for (const settings of [{ a: 1, b: { c: 2 } }, { b: 3 }, {}])
      expect((await ask(app, ours, 'PATCH', '/v1/tenant', { settings })).body.settings).toEqual(settings);
    expect((await ask(app, ours, 'PATCH', '/v1/tenant', {})).status).toBe(200);
    expect(proxy.calls.filter(({ path }) => path.startsWith('/v1/organizations'))).toHaveLength(calls);
  });

  it('is deleted at Clerk and here, and no token of it works on any instance', async () => {
    const other = await startApp(clerk, {}, app.database);
    const ours = anAdmin(clerk);
    const member = aMember(clerk, ours.organization);
    const tokens = [ours.token(), member.token()];
    for (const each of [app, other]) for (const token of tokens) await meet(each, token);
    const since = keepEvents();
    const { status, body } = await ask(app, ours, 'DELETE', '/v1/tenant');
    expect([status, body]).toEqual([204, { text: '' }]);
    for (const token of tokens) {
      expect(refusalOf(await app.as(token, '/v1/me'))).toEqual([401, 'token_revoked']);
      expect(await refused(other, token)).toEqual([401, 'token_revoked']);
    }
    expect(() => clerk.organizations.get(ours.organization.id)).toThrow('not found');
    expect((await ask(app, alone(member.user), 'GET', MEMBERSHIPS)).body.data).toEqual([]);
    const before = await rowsOf(app.database, ours.organization);
    expect(before).toMatchObject({
      tenants: [{ name: null, slug: null, deleted_at: expect.any(Date) }],
      memberships: [{ ended_at: expect.any(Date) }, { ended_at: expect.any(Date) }],
    });
    await tellAll(app, since);
    // of several words on the end the first counts, and Clerk's was a moment before its answer
    const { tenants } = await rowsOf(app.database, ours.organization);
    const anyTime = { updated_at: expect.any(Date), deleted_at: expect.any(Date) };
    const byEvent = { clerk_updated_at: expect.any(String), clerk_event_id: expect.any(String) };
    expect(tenants).toEqual([{ ...before.tenants?.[0], ...anyTime, ...byEvent }]);
    for (const token of tokens) expect(refusalOf(await app.as(token, '/v1/me'))).toEqual([401, 'token_revoked']);
  });
});

describe('who may make a tenant', () => {
  let app: TestApp;
  let proxy: ClerkProxy;

  beforeAll(async () => {
    ({ app, proxy } = await anApp());
  });

  it('is not who may make none at Clerk', async () => {
    const user = clerk.aUser({ create_organization_enabled: false });
    const answer = await ask(app, alone(user), 'POST', '/v1/tenants', { name: 'x' });
    expect(refusalOf(answer)).toEqual([403, 'permission_required']);
    expect(proxy.count('POST', '/v1/organizations')).toBe(0);
  });

  it('is who has made less than its limit at Clerk, deleted ones not counted', async () => {
    const user = clerk.aUser({ create_organizations_limit: 2 } as object);
    const make = async () => ask(app, alone(user), 'POST', '/v1/tenants', { name: 'x' });
    const made = [await make(), await make()];
    expect(made.map(({ status }) => status)).toEqual([201, 201]);
    expect(refusalOf(await make())).toEqual([403, 'permission_required']);
    const owner = () => clerk.aTokenIn({ id: made[0]?.body.clerkId as string }, user);
    expect((await ask(app, owner, 'DELETE', '/v1/tenant')).status).toBe(204);
    expect((await make()).status).toBe(201);
  });

  it('is who has made less, however many are made at the same moment', async () => {
    const user = clerk.aUser({ create_organizations_limit: 1 } as object);
    await meet(app, alone(user)());
    // each has counted before the first is made
    proxy.meddle = ({ method }) => (method === 'POST' ? pause(300) : undefined);
    const making = Array.from({ length: 8 }, () => ask(app, alone(user), 'POST', '/v1/tenants', { name: 'x' }));
    const statuses = (await Promise.all(making)).map(({ status }) => status);
    proxy.meddle = () => undefined;
    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, ...Array.from({ length: 7 }, () => 403)]);
    const made = [...clerk.organizations.book.organizations.all()].filter(({ created_by: by }) => by === user.id);
    expect(made).toHaveLength(1);
  });

  it('does not wait in line until its request has no time left, and then ask', async () => {
    const user = clerk.aUser();
    await meet(app, alone(user)());
    const asked = () => [proxy.count('GET', `/v1/users/${user.id}`), proxy.count('POST', '/v1/organizations')];
    const [users = 0, creations = 0] = asked();
    const body = { errors: [{ code: 'too_many_requests', message: '' }] };
    proxy.instead = ({ method }) =>
      method === 'POST' && asked()[1] === creations + 1
        ? { status: 429, headers: { 'retry-after': '4.5' }, body }
        : undefined;
    const make = () => ask(app, alone(user), 'POST', '/v1/tenants', { name: 'x' });
    const [first, second] = await Promise.all([make(), make()]);
    proxy.instead = () => undefined;
    const answers = [first, second].toSorted((a, b) => a.status - b.status).map(refusalOf);
    expect(answers).toEqual([
      [201, undefined],
      [503, 'unavailable'],
    ]);
    expect(asked()).toEqual([users + 1, creations + 2]);
  });

  it('is not waited for longer than a request has time: asking for the user counts', async () => {
    const user = clerk.aUser();
    await meet(app, alone(user)());
    const creations = proxy.count('POST', '/v1/organizations');
    const body = { errors: [{ code: 'too_many_requests', message: '' }] };
    proxy.meddle = ({ path }) => (path.startsWith('/v1/users/') ? pause(1500) : undefined);
    proxy.instead = ({ method }) =>
      method === 'POST' ? { status: 429, headers: { 'retry-after': '5' }, body } : undefined;
    const answer = await ask(app, alone(user), 'POST', '/v1/tenants', { name: 'x' });
    proxy.instead = () => undefined;
    proxy.meddle = () => undefined;
    expect(refusalOf(answer)).toEqual([429, 'rate_limited']);
    // once more would be too late
    expect(proxy.count('POST', '/v1/organizations')).toBe(creations + 1);
  });

  it.each([{ create_organization_enabled: false }, { create_organizations_limit: 1 }])(
    'is not asked of Clerk again for a user who was just refused (%j)',
    async (facts) => {
      const user = clerk.aUser(facts);
      await meet(app, alone(user)());
      const make = () => ask(app, alone(user), 'POST', '/v1/tenants', { name: 'x' });
      if ('create_organizations_limit' in facts) expect((await make()).status).toBe(201);
      expect((await make()).status).toBe(403);
      const asked = proxy.count('GET', `/v1/users/${user.id}`);
      for (let i = 0; i < 3; i++) expect((await make()).status).toBe(403);
      expect(proxy.count('GET', `/v1/users/${user.id}`)).toBe(asked);
    },
  );

  it('is anybody where Clerk sets no limit', async () => {
    const user = clerk.aUser({ create_organizations_limit: 0 } as object);
    expect((await ask(app, alone(user), 'POST', '/v1/tenants', { name: 'x' })).status).toBe(201);
  });

  it('is nobody whom Clerk does not know any more', async () => {
    const user = clerk.aUser();
    await meet(app, alone(user)());
    clerk.directory.users.remove(user.id);
    expect(refusalOf(await ask(app, alone(user), 'POST', '/v1/tenants', { name: 'x' }))).toEqual([
      401,
      'token_revoked',
    ]);
  });

  it('is for deleting an admin where Clerk lets admins do it', async () => {
    const ours = anAdmin(clerk, clerk.anOrganization({ admin_delete_enabled: false }));
    await meet(app, ours.token());
    const before = await rowsOf(app.database, ours.organization);
    expect(refusalOf(await ask(app, ours, 'DELETE', '/v1/tenant'))).toEqual([403, 'permission_required']);
    expect(clerk.organizations.get(ours.organization.id).name).toBe('Acme');
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
  });
});

describe('a member', () => {
  let app: TestApp;
  let ours: Member;

  beforeAll(async () => {
    ({ app } = await anApp());
    ours = anAdmin(clerk);
  });

  const viewOf = async ({ user, organization }: Member, role: string) => {
    const [tenant] = await app.database.query<{ id: string }>('select id from tenants where clerk_id = $1', [
      organization.id,
    ]);
    const [row] = await app.database.query<{ id: string }>('select id from users where clerk_id = $1', [user.id]);
    return {
      user: {
        id: row?.id,
        clerkId: user.id,
        email: user.email_addresses[0]?.email_address,
        emailVerified: true,
        username: null,
        phone: null,
        name: 'Ada Example',
      },
      tenant: { id: tenant?.id, clerkId: organization.id, name: expect.any(String), slug: organization.slug },
      role,
      createdAt: TIME,
    };
  };

  it('is listed to every member, the latest first, and to nobody of another tenant', async () => {
    const members = [ours, aMember(clerk, ours.organization), aMember(clerk, ours.organization)];
    for (const member of members) await meet(app, member.token());
    const expected = [
      await viewOf(members[2] as Member, 'org:member'),
      await viewOf(members[1] as Member, 'org:member'),
      await viewOf(ours, 'org:admin'),
    ];
    for (const member of members) {
      // addresses of others are for admins
      const isShown = ({ user }: (typeof expected)[number]) => member === ours || user.clerkId === member.user.id;
      const hidden = { email: null, emailVerified: null, phone: null };
      const data = expected.map((each) => (isShown(each) ? each : { ...each, user: { ...each.user, ...hidden } }));
      expect((await ask(app, member, 'GET', MEMBERS)).body).toEqual({ data, nextCursor: null });
    }
    const theirs = anAdmin(clerk);
    expect((await ask(app, theirs, 'GET', MEMBERS)).body.data).toEqual([await viewOf(theirs, 'org:admin')]);
  });

  it('gets another role at Clerk and here at once, and loses the tokens with the old one', async () => {
    const member = aMember(clerk, ours.organization);
    const id = await idOf(app, member);
    const old = member.token();
    const since = keepEvents();
    const { status, body } = await ask(app, ours, 'PATCH', `${MEMBERS}/${id}`, { role: 'org:admin' });
    expect([status, body]).toEqual([200, await viewOf(member, 'org:admin')]);
    expect(clerk.organizations.memberships.get(ours.organization.id, member.user.id).role).toBe('org:admin');
    const { data } = (await ask(app, ours, 'GET', MEMBERS)).body as { data: { user: { id: string } }[] };
    expect(data.find(({ user }) => user.id === id)).toEqual(body);
    expect(refusalOf(await app.as(old, '/v1/me'))).toEqual([401, 'token_revoked']);
    const before = await rowsOf(app.database, ours.organization);
    await tellAll(app, since);
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
  });

  it('keeps tokens and row where the role is the same', async () => {
    const member = aMember(clerk, ours.organization);
    const id = await idOf(app, member);
    const old = member.token();
    for (let i = 0; i < 2; i++) {
      const answer = await ask(app, ours, 'PATCH', `${MEMBERS}/${id}`, { role: 'org:member' });
      expect(answer.body.role).toBe('org:member');
      await meet(app, old);
    }
  });

  it('is removed at Clerk and here at once, and the event that follows changes nothing', async () => {
    const member = aMember(clerk, ours.organization);
    const id = await idOf(app, member);
    const old = member.token();
    const since = keepEvents();
    const { status, body } = await ask(app, ours, 'DELETE', `${MEMBERS}/${id}`);
    expect([status, body]).toEqual([204, { text: '' }]);
    expect(refusalOf(await app.as(old, '/v1/me'))).toEqual([401, 'token_revoked']);
    expect(() => clerk.organizations.memberships.get(ours.organization.id, member.user.id)).toThrow('No such');
    const listed = (await ask(app, ours, 'GET', MEMBERS)).body.data as { user: { id: string } }[];
    expect(listed.map(({ user }) => user.id)).not.toContain(id);
    expect((await ask(app, alone(member.user), 'GET', MEMBERSHIPS)).body.data).toEqual([]);
    const before = await rowsOf(app.database, ours.organization);
    await tellAll(app, since);
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
    expect(refusalOf(await ask(app, ours, 'DELETE', `${MEMBERS}/${id}`))).toEqual([404, 'not_found']);
  });

  it('lists the own memberships, whichever tenant is active, and leaves one of them', async () => {
    const user = clerk.aUser();
    const [first, second] = [aMember(clerk, ours.organization, 'org:member', user), anAdmin(clerk)] as const;
    const other = aMember(clerk, second.organization, 'org:member', user);
    await meet(app, second.token());
    const { tenant } = await meet(app, first.token());
    await meet(app, other.token());
    const expected = [await viewOf(other, 'org:member'), await viewOf(first, 'org:member')];
    for (const caller of [first, other, alone(user)])
      expect((await ask(app, caller, 'GET', MEMBERSHIPS)).body).toEqual({ data: expected, nextCursor: null });
    const old = first.token();
    const since = keepEvents();
    expect((await ask(app, other, 'DELETE', `${MEMBERSHIPS}/${tenant?.id}`)).status).toBe(204);
    expect(refusalOf(await app.as(old, '/v1/me'))).toEqual([401, 'token_revoked']);
    expect((await ask(app, other, 'GET', MEMBERSHIPS)).body.data).toEqual(expected.slice(0, 1));
    expect(() => clerk.organizations.memberships.get(ours.organization.id, user.id)).toThrow('No such');
    expect(refusalOf(await ask(app, other, 'DELETE', `${MEMBERSHIPS}/${tenant?.id}`))).toEqual([404, 'not_found']);
    const before = await rowsOf(app.database, ours.organization);
    await tellAll(app, since);
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
  });
});

describe('what Clerk has ended without saying so', () => {
  /** Clerk does the first deletion, and its answer is lost on the way. */
  const loses = (proxy: ClerkProxy) => {
    let isLost = false;
    proxy.meddle = (exchange) => {
      if (exchange.method !== 'DELETE' || isLost) return;
      isLost = true;
      exchange.status = 502;
      exchange.body = 'bad gateway';
    };
  };

  it.each(['remove', 'leave'] as const)('is a membership (%s): it ends here, too, with its tokens', async (how) => {
    const { app, proxy } = await anApp();
    const other = await startApp(clerk, {}, app.database);
    const ours = anAdmin(clerk);
    const member = aMember(clerk, ours.organization);
    const [id, old] = [await idOf(app, member), member.token()];
    const { tenant } = await meet(app, ours.token());
    await meet(other, old);
    const since = keepEvents();
    loses(proxy);
    const [caller, path] = how === 'remove' ? [ours, `${MEMBERS}/${id}`] : [member, `${MEMBERSHIPS}/${tenant?.id}`];
    const { status, body } = await ask(app, caller, 'DELETE', path);
    expect([status, body]).toEqual([204, { text: '' }]);
    expect(proxy.count('DELETE', '/v1/organizations')).toBe(2);
    expect(refusalOf(await app.as(old, '/v1/me'))).toEqual([401, 'token_revoked']);
    expect(await refused(other, old)).toEqual([401, 'token_revoked']);
    expect((await ask(app, ours, 'GET', MEMBERS)).body.data).toMatchObject([{ user: { clerkId: ours.user.id } }]);
    await tellAll(app, since);
    expect(refusalOf(await app.as(old, '/v1/me'))).toEqual([401, 'token_revoked']);
    expect((await ask(app, ours, 'GET', MEMBERS)).body.data).toHaveLength(1);
  });

  it('is a membership that was over already, with its name or before it had one, and an admin’s', async () => {
    const { app } = await anApp();
    for (const isNamed of [true, false]) {
      const ours = anAdmin(clerk);
      const theirs = anAdmin(clerk, ours.organization);
      const [id, old] = [await idOf(app, theirs), theirs.token()];
      await meet(app, ours.token());
      const shown = clerk.organizations.memberships.get(ours.organization.id, theirs.user.id);
      if (isNamed) await clerk.deliver(app.url, clerk.anEvent('organizationMembership.created', shown));
      const since = keepEvents();
      clerk.organizations.memberships.remove(ours.organization.id, theirs.user.id);
      expect((await ask(app, ours, 'DELETE', `${MEMBERS}/${id}`)).status).toBe(204);
      expect(refusalOf(await app.as(old, '/v1/me'))).toEqual([401, 'token_revoked']);
      const { memberships = [] } = await rowsOf(app.database, ours.organization);
      const clerkId = isNamed ? shown.id : null;
      const ended = { clerk_id: clerkId, ended_at: expect.any(Date), leaving_since: null };
      expect(memberships).toContainEqual(expect.objectContaining(ended));
      await tellAll(app, since);
      expect(refusalOf(await app.as(old, '/v1/me'))).toEqual([401, 'token_revoked']);
    }
  });

  it('is not the membership that came after it: that lasts, with its new tokens', async () => {
    const { app, proxy } = await anApp();
    const ours = anAdmin(clerk);
    const member = aMember(clerk, ours.organization);
    const { memberships } = clerk.organizations;
    const shown = memberships.get(ours.organization.id, member.user.id);
    await clerk.deliver(app.url, clerk.anEvent('organizationMembership.created', shown));
    const [id, old] = [await idOf(app, member), member.token()];
    await meet(app, ours.token());
    memberships.remove(ours.organization.id, member.user.id);
    // while Clerk's answer is on its way the person is added again, and the event is here first
    proxy.meddle = async ({ method }) => {
      if (method !== 'DELETE') return;
      const created_at = Date.now() + 1000;
      const next = { ...shown, id: 'orgmem_next', created_at, updated_at: created_at };
      clerk.aMembership(ours.organization, member.user);
      await clerk.deliver(app.url, clerk.anEvent('organizationMembership.created', next));
    };
    expect((await ask(app, ours, 'DELETE', `${MEMBERS}/${id}`)).status).toBe(204);
    expect((await rowsOf(app.database, ours.organization)).memberships).toContainEqual(
      expect.objectContaining({ clerk_id: 'orgmem_next', ended_at: null }),
    );
    expect(refusalOf(await app.as(old, '/v1/me'))).toEqual([401, 'token_revoked']);
  });

  it.each(['its answer is lost', 'it was over already'])('is a tenant (%s): it is deleted here, too', async (how) => {
    const { app, proxy } = await anApp();
    const ours = anAdmin(clerk);
    const member = aMember(clerk, ours.organization);
    const tokens = [ours.token(), member.token()];
    for (const token of tokens) await meet(app, token);
    const since = keepEvents();
    if (how === 'its answer is lost') loses(proxy);
    else clerk.organizations.delete(ours.organization.id);
    expect((await app.as(tokens[0] ?? '', '/v1/tenant', { method: 'DELETE' })).status).toBe(204);
    for (const token of tokens) expect(refusalOf(await app.as(token, '/v1/me'))).toEqual([401, 'token_revoked']);
    expect(await rowsOf(app.database, ours.organization)).toMatchObject({
      tenants: [{ deleted_at: expect.any(Date) }],
    });
    await tellAll(app, since);
    for (const token of tokens) expect(refusalOf(await app.as(token, '/v1/me'))).toEqual([401, 'token_revoked']);
  });
});

describe('the last admin', () => {
  let app: TestApp;
  let proxy: ClerkProxy;

  beforeAll(async () => {
    ({ app, proxy } = await anApp());
  });

  it('can neither be removed, demoted nor leave, and Clerk is not asked', async () => {
    const ours = anAdmin(clerk);
    const member = aMember(clerk, ours.organization);
    await meet(app, member.token());
    const { user, tenant } = await meet(app, ours.token());
    const before = await rowsOf(app.database, ours.organization);
    for (const [method, path, body] of [
      ['DELETE', `${MEMBERS}/${user.id}`, undefined],
      ['PATCH', `${MEMBERS}/${user.id}`, { role: 'org:member' }],
      ['DELETE', `${MEMBERSHIPS}/${tenant?.id}`, undefined],
    ] as const)
      expect([method, path, ...refusalOf(await ask(app, ours, method, path, body))]).toEqual([
        method,
        path,
        409,
        'conflict',
      ]);
    expect(proxy.calls.filter(({ path }) => path.startsWith('/v1/organizations'))).toEqual([]);
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
  });

  it('may become the last but one, and then go', async () => {
    const ours = anAdmin(clerk);
    const member = aMember(clerk, ours.organization);
    const id = await idOf(app, member);
    const { tenant } = await meet(app, ours.token());
    await ask(app, ours, 'PATCH', `${MEMBERS}/${id}`, { role: 'org:admin' });
    expect((await ask(app, ours, 'DELETE', `${MEMBERSHIPS}/${tenant?.id}`)).status).toBe(204);
  });

  it.each(['leave', 'remove each other', 'demote themselves'])(
    'is left when two admins %s at the same moment, at two instances',
    async (how) => {
      const other = await startApp(clerk, { CLERK_API_URL: proxy.url }, app.database);
      const ours = anAdmin(clerk);
      const theirs = anAdmin(clerk, ours.organization);
      const [one, two] = [await meet(app, ours.token()), await meet(app, theirs.token())];
      proxy.meddle = ({ method }) => (method === 'GET' ? undefined : pause(300));
      const go = (each: TestApp, member: Member, own: string, others: string) => {
        if (how === 'leave') return ask(each, member, 'DELETE', `${MEMBERSHIPS}/${one.tenant?.id}`);
        if (how === 'demote themselves') return ask(each, member, 'PATCH', `${MEMBERS}/${own}`, { role: 'org:member' });
        return ask(each, member, 'DELETE', `${MEMBERS}/${others}`);
      };
      const writes = () => proxy.calls.filter(({ method }) => method !== 'GET').length;
      const before = writes();
      // both are asked before either is marked: the rows are held until then
      const answers = await asTenant(app.orm.em.fork(), one.tenant?.id ?? '', async (em) => {
        await em.execute('select from memberships for update');
        const going = [go(app, ours, one.user.id, two.user.id), go(other, theirs, two.user.id, one.user.id)];
        await pause(400);
        return going;
      });
      const statuses = (await Promise.all(answers)).map(({ status }) => status).toSorted((a, b) => a - b);
      proxy.meddle = () => undefined;
      expect(statuses).toEqual([how === 'demote themselves' ? 200 : 204, 409]);
      // Clerk would refuse the other, too: it was not asked
      expect(writes() - before).toBe(1);
      const { memberships = [] } = await rowsOf(app.database, ours.organization);
      const admins = memberships.filter(
        (row) => 'ended_at' in row && !row.ended_at && 'role' in row && row.role === 'org:admin',
      );
      expect(admins).toHaveLength(1);
      expect(memberships).toMatchObject([{ leaving_since: null }, { leaving_since: null }]);
      const atClerk = clerk.organizations.book.membersOf(ours.organization.id).count({ roles: ['org:admin'] });
      expect(atClerk).toBe(1);
    },
  );

  it('is not who was asked to go in vain: after a refusal of Clerk both count again', async () => {
    const ours = anAdmin(clerk);
    const theirs = anAdmin(clerk, ours.organization);
    const { tenant } = await meet(app, ours.token());
    await meet(app, theirs.token());
    const before = await rowsOf(app.database, ours.organization);
    const code = 'organization_membership_managed_by_scim';
    proxy.instead = ({ method }) =>
      method === 'DELETE' ? { status: 403, body: { errors: [{ code, message: '' }] } } : undefined;
    expect(refusalOf(await ask(app, ours, 'DELETE', `${MEMBERSHIPS}/${tenant?.id}`))).toEqual([409, 'conflict']);
    proxy.instead = () => undefined;
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
    expect((await ask(app, theirs, 'DELETE', `${MEMBERSHIPS}/${tenant?.id}`)).status).toBe(204);
  });

  /** Two requests on the same admin at one moment: both are with Clerk, until the test lets it answer them. */
  async function twoRequests(refusal: 'first' | 'second' | 'none') {
    const own = await anApp();
    const ours = anAdmin(clerk);
    const theirs = anAdmin(clerk, ours.organization);
    const { tenant } = await meet(own.app, ours.token());
    const id = await idOf(own.app, theirs);
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const deletions = () => own.proxy.count('DELETE', '/v1/organizations');
    const code = 'organization_membership_managed_by_scim';
    own.proxy.instead = ({ method }) =>
      method === 'DELETE' && deletions() === ['none', 'first', 'second'].indexOf(refusal)
        ? { status: 403, body: { errors: [{ code, message: '' }] } }
        : undefined;
    let held = 0;
    own.proxy.meddle = ({ method }) => (method === 'DELETE' ? gates[held++]?.promise : undefined);
    const remove = async () => {
      const before = held;
      const removing = ask(own.app, ours, 'DELETE', `${MEMBERS}/${id}`);
      while (held === before) await pause(10);
      return { removing };
    };
    const leave = () => ask(own.app, ours, 'DELETE', `${MEMBERSHIPS}/${tenant?.id}`);
    return { ...own, ours, theirs, gates, deletions, remove, leave };
  }

  it.each(['first', 'second'] as const)(
    'is who stays while one of two requests is open, the %s refused',
    async (which) => {
      const { gates, deletions, remove, leave } = await twoRequests(which);
      const [first, second] = [await remove(), await remove()];
      const [over, open] = which === 'first' ? [first, second] : [second, first];
      gates[which === 'first' ? 0 : 1]?.resolve();
      expect(refusalOf(await over.removing)).toEqual([409, 'conflict']);
      expect(refusalOf(await leave())).toEqual([409, 'conflict']);
      // Clerk would refuse it, too: it was not asked
      expect(deletions()).toBe(2);
      for (const { resolve } of gates) resolve();
      expect((await open.removing).status).toBe(204);
    },
  );

  it('is who stays while a request is open and an event tells of who is to go', async () => {
    const { app: own, gates, deletions, remove, leave, theirs, ours } = await twoRequests('none');
    const membership = clerk.organizations.memberships.get(ours.organization.id, theirs.user.id);
    const first = await remove();
    const told = { ...membership, updated_at: Date.now() };
    await clerk.deliver(own.url, clerk.anEvent('organizationMembership.updated', told));
    expect((await rowsOf(own.database, ours.organization)).memberships).toContainEqual(
      expect.objectContaining({ clerk_id: membership.id, ended_at: null, leaving_since: expect.any(Date) }),
    );
    expect(refusalOf(await leave())).toEqual([409, 'conflict']);
    expect(deletions()).toBe(1);
    for (const { resolve } of gates) resolve();
    expect((await first.removing).status).toBe(204);
  });

  it('is who has not left while it is not known whether another has', async () => {
    const own = await anApp();
    const ours = anAdmin(clerk);
    const theirs = anAdmin(clerk, ours.organization);
    const { tenant } = await meet(own.app, ours.token());
    await meet(own.app, theirs.token());
    own.proxy.meddle = (exchange) => {
      if (exchange.method === 'DELETE') exchange.status = 500;
    };
    expect(refusalOf(await ask(own.app, ours, 'DELETE', `${MEMBERSHIPS}/${tenant?.id}`))[0]).toBe(503);
    const leave = () => ask(own.app, theirs, 'DELETE', `${MEMBERSHIPS}/${tenant?.id}`);
    expect(refusalOf(await leave())).toEqual([409, 'conflict']);
    await own.app.database.query("update memberships set leaving_since = leaving_since - interval '31 s'");
    expect((await leave()).status).not.toBe(409);
  });

  it('does not count who is deleted', async () => {
    const ours = anAdmin(clerk);
    const gone = anAdmin(clerk, ours.organization);
    const { tenant } = await meet(app, ours.token());
    await meet(app, gone.token());
    await app.database.query('update users set deleted_at = now() where clerk_id = $1', [gone.user.id]);
    expect(refusalOf(await ask(app, ours, 'DELETE', `${MEMBERSHIPS}/${tenant?.id}`))).toEqual([409, 'conflict']);
  });
});

describe('an invitation', () => {
  let app: TestApp;
  let proxy: ClerkProxy;
  let ours: Member;

  beforeAll(async () => {
    ({ app, proxy } = await anApp());
    ours = anAdmin(clerk);
  });

  const listed = async (query = '') => (await ask(app, ours, 'GET', `${INVITATIONS}${query}`)).body.data;

  it('is sent by Clerk in the name of the admin, and read at once; the event that follows changes nothing', async () => {
    const since = keepEvents();
    const made = await ask(app, ours, 'POST', INVITATIONS, { email: 'grace@example.com', role: 'org:admin' });
    const { id } = made.body as { id: string };
    const shape = { id: ID, email: 'grace@example.com', role: 'org:admin', status: 'pending' };
    expect([made.status, made.headers.location, made.body]).toEqual([
      201,
      `${INVITATIONS}/${id}`,
      { ...shape, expiresAt: TIME, createdAt: TIME },
    ]);
    expect(await listed()).toEqual([made.body]);
    const [atClerk] = clerk.organizations.book.invitationsOf(ours.organization.id).all();
    expect(atClerk).toMatchObject({ email_address: 'grace@example.com', role: 'org:admin', inviter_id: ours.user.id });
    const before = await rowsOf(app.database, ours.organization);
    expect(JSON.stringify(before)).not.toContain('ticket');
    await tellAll(app, since);
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
  });

  it('is for a member where no role is given', async () => {
    const { body } = await ask(app, ours, 'POST', INVITATIONS, { email: 'x@example.com' });
    expect(body.role).toBe('org:member');
  });

  it('is revoked at Clerk and here at once, and no second time', async () => {
    const { body } = await ask(app, ours, 'POST', INVITATIONS, { email: 'alan@example.com' });
    const since = keepEvents();
    const answer = await ask(app, ours, 'DELETE', `${INVITATIONS}/${body.id as string}`);
    expect([answer.status, answer.body]).toEqual([204, { text: '' }]);
    expect(await listed('?limit=1')).toEqual([{ ...body, status: 'revoked' }]);
    const atClerk = [...clerk.organizations.book.invitationsOf(ours.organization.id).all()];
    expect(atClerk.find((row) => row.email_address === 'alan@example.com')?.status).toBe('revoked');
    const before = await rowsOf(app.database, ours.organization);
    await tellAll(app, since);
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
    expect(refusalOf(await ask(app, ours, 'DELETE', `${INVITATIONS}/${body.id as string}`))).toEqual([409, 'conflict']);
    expect(proxy.calls.filter(({ path }) => path.endsWith('/revoke'))).toHaveLength(1);
  });

  it('that was accepted at Clerk, of which nobody told us, is a conflict', async () => {
    const guest = clerk.aUser();
    const email = guest.email_addresses[0]?.email_address ?? '';
    const { body } = await ask(app, ours, 'POST', INVITATIONS, { email });
    clerk.events.url = undefined;
    const [row] = await app.database.query<{ clerk_id: string }>('select clerk_id from invitations where id = $1', [
      body.id,
    ]);
    clerk.organizations.invitations.accept(ours.organization.id, row?.clerk_id ?? '', guest.id);
    const before = await rowsOf(app.database, ours.organization);
    expect(refusalOf(await ask(app, ours, 'DELETE', `${INVITATIONS}/${body.id as string}`))).toEqual([409, 'conflict']);
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
  });

  it('to an address that is invited already, or a member’s, is a conflict', async () => {
    await ask(app, ours, 'POST', INVITATIONS, { email: 'twice@example.com' });
    const before = await rowsOf(app.database, ours.organization);
    for (const email of ['twice@example.com', ours.user.email_addresses[0]?.email_address])
      expect(refusalOf(await ask(app, ours, 'POST', INVITATIONS, { email }))).toEqual([409, 'conflict']);
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
  });

  it.each([
    ['a domain in another alphabet', 'x@müller.example'],
    ['a top-level domain in another alphabet', 'x@почта.рф'],
    ['the same in ASCII', 'y@xn--80a1acny.xn--p1ai'],
    ['a name in another alphabet', '用户@例え.jp'],
    ['an accent that is a character of its own', 'jose\u0301@example.com'],
    ['signs that few names have', "o'hara/sales&co@example.com"],
  ])('to an address with %s is sent, and listed as Clerk has it', async (_, email) => {
    const { status, body } = await ask(app, ours, 'POST', INVITATIONS, { email });
    expect([status, body.email]).toEqual([201, email.normalize()]);
    expect(await listed('?limit=1')).toEqual([body]);
  });

  it.each([
    ['x@schön.example', 'x@xn--schn-7qa.example'],
    ['x@xn--fa-hia.example', 'X@FAß.example'],
    ['x@scho\u0308ner.example', 'x@schöner.example'],
  ])('to %s is a conflict after one to %s, while that is out', async (email, other) => {
    const { body } = await ask(app, ours, 'POST', INVITATIONS, { email: other });
    const before = await rowsOf(app.database, ours.organization);
    expect(refusalOf(await ask(app, ours, 'POST', INVITATIONS, { email }))).toEqual([409, 'conflict']);
    expect(await rowsOf(app.database, ours.organization)).toEqual(before);
    await ask(app, ours, 'DELETE', `${INVITATIONS}/${body.id as string}`);
    expect((await ask(app, ours, 'POST', INVITATIONS, { email })).status).toBe(201);
  });

  it('to an internationalized address that Clerk refuses names the field', async () => {
    proxy.instead = ({ method }) =>
      method === 'POST'
        ? {
            status: 422,
            body: {
              errors: [
                { code: 'form_param_format_invalid', message: 'is invalid', meta: { param_name: 'email_address' } },
              ],
            },
          }
        : undefined;
    const { status, body } = await ask(app, ours, 'POST', INVITATIONS, { email: 'z@müller.example' });
    proxy.pass();
    expect([status, body.errors]).toEqual([400, [{ pointer: '/email', detail: expect.any(String) }]]);
  });

  it('with a role that Clerk does not know names the field', async () => {
    const { body } = await ask(app, ours, 'POST', INVITATIONS, { email: 'y@example.com', role: 'org:nonsense' });
    expect(body).toMatchObject({ code: 'invalid_input', errors: [{ pointer: '/role' }] });
  });

  it('that has expired says so, though nobody told', async () => {
    const [tenant] = await app.database.query<{ id: string }>('select id from tenants where clerk_id = $1', [
      ours.organization.id,
    ]);
    await app.database.query(
      `insert into invitations (id, tenant_id, clerk_id, email, role, status, expires_at)
       values ($1, $2, 'orginv_old', 'old@example.com', 'org:member', 'pending', now() - interval '1 s')`,
      [`ffffffff-ffff-7fff-bfff-${randomBytes(6).toString('hex')}`, tenant?.id],
    );
    expect(await listed('?limit=1')).toMatchObject([{ email: 'old@example.com', status: 'expired' }]);
  });
});

describe('the own sessions', () => {
  let app: TestApp;
  let other: TestApp;

  beforeAll(async () => {
    ({ app } = await anApp());
    other = await startApp(clerk, {}, app.database);
  });

  const signedIn = () => {
    const user = clerk.aUser();
    const start = () => clerk.directory.sessions.start(user.id);
    const tokenIn = (session: { id: string }) => clerk.aToken({ sub: user.id, sid: session.id });
    return { user, start, tokenIn };
  };

  it('are listed as Clerk has them, with the one of the call', async () => {
    const { start, tokenIn } = signedIn();
    const [first, second] = [start(), start()];
    const { status, body } = await app.as(tokenIn(first), SESSIONS);
    const none = { device: null, browser: null, city: null, country: null };
    const times = { lastActiveAt: TIME, createdAt: TIME, expiresAt: TIME };
    expect([status, body.nextCursor]).toEqual([200, null]);
    expect(body.data).toEqual(
      expect.arrayContaining([
        { id: first.id, isCurrent: true, ...none, ...times },
        { id: second.id, isCurrent: false, ...none, ...times },
      ]),
    );
    expect(body.data).toHaveLength(2);
  });

  it('are revoked one by one: its token is refused at once on both instances, the others work', async () => {
    const { start, tokenIn } = signedIn();
    const [first, second] = [start(), start()];
    const [own, lost] = [tokenIn(first), tokenIn(second)];
    for (const each of [app, other]) for (const token of [own, lost]) await meet(each, token);
    const answer = await app.as(own, `${SESSIONS}/${second.id}`, { method: 'DELETE' });
    expect([answer.status, answer.body]).toEqual([204, { text: '' }]);
    expect(clerk.directory.session(second.id).status).toBe('revoked');
    expect(refusalOf(await app.as(lost, '/v1/me'))).toEqual([401, 'token_revoked']);
    expect(await refused(other, lost)).toEqual([401, 'token_revoked']);
    for (const each of [app, other]) await meet(each, own);
    expect((await app.as(own, SESSIONS)).body.data).toMatchObject([{ id: first.id }]);
    expect((await app.as(own, `${SESSIONS}/${first.id}`, { method: 'DELETE' })).status).toBe(204);
    expect(refusalOf(await app.as(own, '/v1/me'))).toEqual([401, 'token_revoked']);
  });

  it('are never another’s', async () => {
    const { start, tokenIn } = signedIn();
    const theirs = signedIn().start();
    const token = tokenIn(start());
    for (const id of [theirs.id, 'sess_unknown', 'x', '%2e%2e%2fusers', '%00', 'sess_%F0%9F%9A%80']) {
      const answer = await app.as(token, `${SESSIONS}/${id}`, { method: 'DELETE' });
      expect([id, ...refusalOf(answer)]).toEqual([id, 404, 'not_found']);
    }
    expect(clerk.directory.session(theirs.id).status).toBe('active');
  });
});

describe('what the routes ask of their caller', () => {
  let app: TestApp;

  /** A fresh verification, and an own login. */
  const WORDS: Record<string, string> = { reverification_required: 'fresh', impersonation_forbidden: 'own' };

  /** All of src/tenants, src/me and src/projects: one that is missing here, or has another rule, is a fault. */
  const RULES: Record<string, string> = {
    'GET v1/me': 'none',
    'PATCH v1/me': 'none',
    'GET v1/me/memberships': 'none',
    'DELETE v1/me/memberships/:tenantId': 'own',
    'GET v1/me/sessions': 'none',
    'DELETE v1/me/sessions/:id': 'own',
    'POST v1/tenants': 'none',
    'GET v1/tenant': 'tenant',
    'PATCH v1/tenant': 'org:admin',
    'DELETE v1/tenant': 'org:admin fresh own',
    'GET v1/tenant/members': 'tenant',
    'PATCH v1/tenant/members/:userId': 'org:admin fresh own',
    'DELETE v1/tenant/members/:userId': 'org:admin fresh own',
    'GET v1/tenant/invitations': 'org:admin',
    'POST v1/tenant/invitations': 'org:admin fresh own',
    'DELETE v1/tenant/invitations/:id': 'org:admin own',
    'GET v1/tenant/api-keys': 'org:admin',
    'DELETE v1/tenant/api-keys/:id': 'org:admin own',
    'GET v1/projects': 'tenant',
    'POST v1/projects': 'tenant org:projects:write',
    'GET v1/projects/:id': 'tenant',
    'PATCH v1/projects/:id': 'tenant org:projects:write',
    'DELETE v1/projects/:id': 'tenant org:projects:write',
  };

  beforeAll(async () => {
    app = await startApp(clerk);
  });

  /** Every closed route, with what its decorators ask of a session. */
  function declared(): [string, string][] {
    const closed = routesOf(app.app).filter(({ isOpen }) => !isOpen);
    return closed.map(({ name, rules }) => {
      const asked = rules
        .filter(({ refusal }) => refusal !== 'scope_required')
        .map(
          (rule) =>
            WORDS[rule.refusal] ?? ('role' in rule ? rule.role : 'permission' in rule ? rule.permission : 'tenant'),
        );
      return [name, asked.join(' ') || 'none'];
    });
  }

  /** `v1/me` of `GET v1/me/sessions`. */
  const resourceOf = (route: string) => route.split(/[ /]/).slice(1, 3).join('/');

  it('is what this table says of each route of its resources', () => {
    const resources = new Set(Object.keys(RULES).map(resourceOf));
    const ours = declared().filter(([route]) => resources.has(resourceOf(route)));
    expect(Object.fromEntries(ours)).toEqual(RULES);
  });

  it('is asked, before the input is read: in a tenant, with a role, with a permission', async () => {
    const ours = anAdmin(clerk);
    const member = aMember(clerk, ours.organization);
    const [owner, guest, nobody] = [ours.token(), member.token(), alone()()];
    const { user, tenant } = await meet(app, guest);
    const calls = clerk.callsTo('/v1/organizations');
    for (const [route, asked] of Object.entries(RULES)) {
      // these tokens are fresh, and nobody else's
      const rule = asked.replace(/ ?(fresh|own)\b/g, '') || 'none';
      const [method = '', path = ''] = route.split(' ');
      const to = `/${path}`.replace(/:\w+/, randomUUID());
      const body = ['POST', 'PATCH'].includes(method) ? { nonsense: 1 } : undefined;
      const seen = async (token: string) => {
        const { status, body: answer } = await app.as(token, to, { method, body });
        return [status, answer.code];
      };
      const isMet = path.includes(':') && !body ? [404, 'not_found'] : expect.not.arrayContaining([401, 403]);
      const refusal = rule === 'org:admin' ? 'role_required' : 'permission_required';
      expect([route, await seen(nobody)]).toEqual([route, rule === 'none' ? isMet : [403, 'tenant_required']]);
      expect([route, await seen(guest)]).toEqual([route, ['none', 'tenant'].includes(rule) ? isMet : [403, refusal]]);
      if (route !== 'DELETE v1/tenant') expect([route, await seen(owner)]).toEqual([route, isMet]);
    }
    expect([user.clerkId, tenant?.clerkId]).toEqual([member.user.id, ours.organization.id]);
    expect(clerk.callsTo('/v1/organizations')).toBe(calls);
  });

  it('is asked of our copy, too, where something is changed', async () => {
    const ours = anAdmin(clerk);
    const member = aMember(clerk, ours.organization);
    const id = await idOf(app, member);
    await meet(app, ours.token());
    await app.database.query("update memberships set role = 'org:member' where role = 'org:admin'");
    const before = await rowsOf(app.database, ours.organization);
    const [invited] = await app.database.query<{ id: string }>(
      `insert into invitations (id, tenant_id, clerk_id, email, role, status)
       select $1, id, 'orginv_x', 'x@example.com', 'org:member', 'pending' from tenants where clerk_id = $2 returning id`,
      [randomUUID(), ours.organization.id],
    );
    const calls = clerk.calls.length;
    for (const [method, path, body] of [
      ['PATCH', '/v1/tenant', { name: 'x' }],
      ['PATCH', '/v1/tenant', { settings: {} }],
      ['DELETE', '/v1/tenant', undefined],
      ['PATCH', `${MEMBERS}/${id}`, { role: 'org:admin' }],
      ['DELETE', `${MEMBERS}/${id}`, undefined],
      ['DELETE', `${MEMBERS}/${randomUUID()}`, undefined],
      ['POST', INVITATIONS, { email: 'y@example.com' }],
      ['DELETE', `${INVITATIONS}/${invited?.id}`, undefined],
      ['DELETE', `${INVITATIONS}/${randomUUID()}`, undefined],
    ] as const)
      expect([method, path, ...refusalOf(await ask(app, ours, method, path, body))]).toEqual([
        method,
        path,
        403,
        'role_required',
      ]);
    expect(clerk.calls).toHaveLength(calls);
    const { invitations: _, ...after } = await rowsOf(app.database, ours.organization);
    expect({ ...after, invitations: [] }).toEqual(before);
  });

  it('is asked of the token, too, where our copy says more', async () => {
    const member = aMember(clerk);
    await meet(app, member.token());
    await app.database.query(
      "update memberships set role = 'org:admin' where tenant_id in (select id from tenants where clerk_id = $1)",
      [member.organization.id],
    );
    expect(refusalOf(await ask(app, member, 'PATCH', '/v1/tenant', { name: 'x' }))).toEqual([403, 'role_required']);
  });
});
