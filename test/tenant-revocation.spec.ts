import { beforeAll, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { aMember, anAdmin, type Member, meet } from './support/tenants.ts';

const MEMBERS = '/v1/tenant/members';
/** Generous: the machine of the tests may be busy. */
const PATIENCE_MS = 30_000;
/** By how much Clerk's clock may be ahead of ours. */
const SKEW_S = 5;

let clerk: TestClerk;
let apps: [TestApp, TestApp];

beforeAll(async () => {
  clerk = await TestClerk.start();
  const first = await startApp(clerk);
  apps = [first, await startApp(clerk, {}, first.database)];
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const secondOf = (ms: number) => Math.floor(ms / 1000);

/** A token of the member as it is at Clerk now, issued in that second, which lives long. */
function aTokenOf({ user, organization }: Member, iat = secondOf(Date.now())): string {
  return clerk.aTokenIn(organization, user, { iat, nbf: iat - 60, exp: secondOf(Date.now()) + 600 });
}

/** The answers of both instances to the token, once they are the same as expected or there is no patience left. */
async function answersOf(token: string, path: string, isExpected: (status: number) => boolean) {
  return Promise.all(
    apps.map(async (app) => {
      const deadline = Date.now() + PATIENCE_MS;
      for (;;) {
        const { status, body } = await app.as(token, path);
        if (isExpected(status) || Date.now() > deadline) return { status, code: body.code, body };
        await pause(10);
      }
    }),
  );
}

async function isRefused(token: string): Promise<void> {
  for (const path of ['/v1/me', MEMBERS, '/v1/projects', '/v1/me/memberships']) {
    for (const { status, code, body } of await answersOf(token, path, (seen) => seen !== 200)) {
      expect([path, status, code]).toEqual([path, 401, 'token_revoked']);
      expect(body).not.toHaveProperty('data');
    }
  }
}

async function isServed(token: string, role: string): Promise<void> {
  for (const { status, body } of await answersOf(token, '/v1/me', (seen) => seen === 200))
    expect([status, (body.tenant as { role: string }).role]).toEqual([200, role]);
  for (const { status, body } of await answersOf(token, MEMBERS, (seen) => seen === 200)) {
    expect(status).toBe(200);
    expect((body.data as object[]).length).toBeGreaterThan(0);
  }
}

const tell = async (type: string, data: object, timestamp = Date.now()) =>
  expect((await clerk.deliver(apps[0].url, clerk.anEvent(type, data, { timestamp }))).status).toBe(204);

type Way = 'by our route' | 'by an event';

async function inNextSecond(): Promise<void> {
  const second = secondOf(Date.now());
  while (secondOf(Date.now()) === second) await pause(20);
}

/** Asked for by an admin here, or at Clerk, which then tells. */
const by = {
  async removal(way: Way, admin: Member, member: Member) {
    const { user } = await meet(apps[0], aTokenOf(member));
    const { organization } = member;
    if (way === 'by our route') {
      const { status } = await apps[0].as(aTokenOf(admin), `${MEMBERS}/${user.id}`, { method: 'DELETE' });
      expect(status).toBe(204);
    } else {
      const gone = clerk.organizations.memberships.remove(organization.id, member.user.id);
      await tell('organizationMembership.deleted', gone);
    }
  },
  async role(way: Way, admin: Member, member: Member, role: 'org:admin' | 'org:member') {
    const { user } = await meet(apps[0], aTokenOf(member));
    const { organization } = member;
    if (way === 'by our route') {
      const answer = await apps[0].as(aTokenOf(admin), `${MEMBERS}/${user.id}`, { method: 'PATCH', body: { role } });
      expect([answer.status, answer.body.role]).toEqual([200, role]);
    } else {
      const changed = clerk.organizations.memberships.changeRole(organization.id, member.user.id, role);
      await tell('organizationMembership.updated', changed);
    }
  },
};

const ways: Way[] = ['by our route', 'by an event'];

describe.each(ways)('a member who is removed %s', (way) => {
  it('has no access with the old token at either instance, and again with a new one once added again', async () => {
    const admin = anAdmin(clerk);
    const member = aMember(clerk, admin.organization);
    const [old, inOther] = [aTokenOf(member), aMember(clerk, clerk.anOrganization(), 'org:member', member.user)];
    for (const app of apps) for (const token of [old, aTokenOf(admin), aTokenOf(inOther)]) await meet(app, token);
    await by.removal(way, admin, member);
    await isRefused(old);
    await isServed(aTokenOf(inOther), 'org:member');
    await isServed(aTokenOf(admin), 'org:admin');
    const { body } = await apps[1].as(aTokenOf(admin), MEMBERS);
    expect(body.data).toMatchObject([{ user: { clerkId: admin.user.id } }]);
    await inNextSecond();
    clerk.aMembership(member.organization, member.user);
    // the clock of one who issues tokens may be ahead, so a token from within the skew may be from before the end
    const fresh = () => aTokenOf(member, secondOf(Date.now()) + SKEW_S);
    await isServed(fresh(), 'org:member');
    await isRefused(old);
    await tell(
      'organizationMembership.created',
      clerk.organizations.memberships.get(member.organization.id, member.user.id),
    );
    await isServed(fresh(), 'org:member');
    await isRefused(old);
  });
});

describe('a member who is removed while our clock is behind Clerk’s', () => {
  it.each([true, false])(
    'has no access with a token from just before (Clerk says that it removed: %s)',
    async (isSaid) => {
      const admin = anAdmin(clerk);
      const member = aMember(clerk, admin.organization);
      const last = aTokenOf(member, secondOf(Date.now()) + SKEW_S - 1);
      for (const app of apps) for (const token of [last, aTokenOf(admin)]) await meet(app, token);
      const { user } = await meet(apps[0], last);
      if (!isSaid) clerk.organizations.memberships.remove(admin.organization.id, member.user.id);
      expect((await apps[0].as(aTokenOf(admin), `${MEMBERS}/${user.id}`, { method: 'DELETE' })).status).toBe(204);
      await isRefused(last);
    },
  );
});

describe('a token from within the clock skew after the end of its membership', () => {
  const PROJECTS = '/v1/projects';

  it.each([
    ['org:admin', { method: 'POST', body: { name: 'Back' } }, 201],
    ['org:member', { method: 'GET' }, 200],
  ] as const)(
    'brings nothing back for a former %s, on whichever route, until Clerk itself says so',
    async (role, onProjects, served) => {
      const admin = anAdmin(clerk);
      const member = aMember(clerk, admin.organization, role);
      const { organization, user } = member;
      const second = secondOf(Date.now()) - 2;
      const ended = second * 1000 + 400;
      for (const app of apps) await meet(app, aTokenOf(member, second - 60));
      const shown = clerk.organizations.memberships.get(organization.id, user.id);
      const old = { created_at: ended - 100_000, updated_at: ended - 90_000 };
      await tell('organizationMembership.deleted', { ...shown, ...old }, ended);
      const list = async () => (await apps[0].as(aTokenOf(admin), MEMBERS)).body.data;
      for (let late = 1; late <= SKEW_S; late++) {
        const token = aTokenOf(member, second + late);
        await isRefused(token);
        for (const app of apps) {
          const { status, body } = await app.as(token, PROJECTS, onProjects);
          expect([status, body.code]).toEqual([401, 'token_revoked']);
        }
      }
      expect(await list()).toMatchObject([{ user: { clerkId: admin.user.id } }]);
      const again = { id: `${shown.id}again`, created_at: ended + 100, updated_at: ended + 100 };
      await tell('organizationMembership.created', { ...shown, ...again });
      const fresh = aTokenOf(member, second + 1);
      await isServed(fresh, role);
      expect((await apps[0].as(fresh, PROJECTS, onProjects)).status).toBe(served);
      expect(await list()).toHaveLength(2);
    },
  );

  it('is over with the skew: a later token is of a later membership', async () => {
    const member = aMember(clerk);
    const second = secondOf(Date.now()) - 2;
    await meet(apps[0], aTokenOf(member, second - 60));
    const shown = clerk.organizations.memberships.get(member.organization.id, member.user.id);
    const ended = second * 1000 + 400;
    await tell('organizationMembership.deleted', { ...shown, updated_at: ended - 90_000 }, ended);
    expect((await apps[0].as(aTokenOf(member, second + SKEW_S + 1), '/v1/me')).status).toBe(200);
  });
});

describe.each(ways)('an admin who is demoted %s', (way) => {
  it('has no access with the old token, and is a member with a new one', async () => {
    const admin = anAdmin(clerk);
    const second = anAdmin(clerk, admin.organization);
    const old = aTokenOf(second);
    for (const app of apps) for (const token of [old, aTokenOf(admin)]) await meet(app, token);
    await by.role(way, admin, second, 'org:member');
    await isRefused(old);
    for (const app of apps) {
      const answer = await app.as(old, '/v1/tenant', { method: 'PATCH', body: { settings: { by: 'old' } } });
      expect([answer.status, answer.body.code]).toEqual([401, 'token_revoked']);
    }
    await inNextSecond();
    const fresh = aTokenOf(second);
    await isServed(fresh, 'org:member');
    for (const app of apps) {
      const answer = await app.as(fresh, '/v1/tenant', { method: 'PATCH', body: { settings: { by: 'new' } } });
      expect([answer.status, answer.body.code]).toEqual([403, 'role_required']);
    }
    const [row] = await apps[0].database.query('select settings from tenants where clerk_id = $1', [
      admin.organization.id,
    ]);
    expect(row).toEqual({ settings: {} });
  });
});

describe.each(ways)('a member who is promoted %s', (way) => {
  it('is an admin with a token of the next second', async () => {
    const admin = anAdmin(clerk);
    const member = aMember(clerk, admin.organization);
    for (const app of apps) await meet(app, aTokenOf(member));
    await meet(apps[0], aTokenOf(admin));
    await by.role(way, admin, member, 'org:admin');
    await inNextSecond();
    const fresh = aTokenOf(member);
    await isServed(fresh, 'org:admin');
    const { status } = await apps[1].as(fresh, '/v1/tenant', { method: 'PATCH', body: { settings: { ok: true } } });
    expect(status).toBe(200);
  });
});

describe('a change of role that is told late', () => {
  it('still takes the tokens with the role that was taken back meanwhile', async () => {
    const admin = anAdmin(clerk);
    const member = aMember(clerk, admin.organization);
    const { id: organizationId } = admin.organization;
    await tell('organizationMembership.created', clerk.organizations.memberships.get(organizationId, member.user.id));
    const promoted = clerk.organizations.memberships.changeRole(organizationId, member.user.id, 'org:admin');
    const asAdmin = aTokenOf(member);
    await pause(5);
    const demoted = clerk.organizations.memberships.changeRole(organizationId, member.user.id, 'org:member');
    await tell('organizationMembership.updated', demoted);
    await tell('organizationMembership.updated', promoted);
    await isRefused(asAdmin);
    await inNextSecond();
    await isServed(aTokenOf(member), 'org:member');
    expect((await apps[0].as(asAdmin, '/v1/me')).body.code).toBe('token_revoked');
  });
});
