import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { EntityManager } from '@mikro-orm/postgresql';
import { Body, Controller, Get, Module, Post } from '@nestjs/common';
import { Client } from 'pg';
import { z } from 'zod';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { readSettings } from '../src/config/index.ts';
import { asTenant, transaction } from '../src/database/index.ts';
import { Public } from '../src/http/index.ts';
import { CurrentTenant, Membership, Tenant } from '../src/tenants/index.ts';
import { MembershipMirror } from '../src/tenants/membership-mirror.service.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { onClose } from './support/closing.ts';
import { permissionsOf } from './support/local-clerk.ts';
import { aMember, anAdmin, type Member, meet, rowsOf } from './support/tenants.ts';

const Theme = z.object({ theme: z.string(), save: z.boolean() });

/** What a team writes: it changes the entity and flushes, and knows nothing of memory or change log. */
@Controller('themes')
class ThemesController {
  constructor(private readonly em: EntityManager) {}

  @Post()
  async choose(@CurrentTenant() tenant: Tenant, @Body({ schema: Theme }) { theme, save }: z.infer<typeof Theme>) {
    const before = tenant.settings.theme ?? null;
    tenant.settings.theme = theme;
    if (save) await this.em.flush();
    return { before, isManaged: this.em.getUnitOfWork().getIdentityMap().values().includes(tenant) };
  }

  @Public()
  @Get('open')
  show(@CurrentTenant() tenant: Tenant) {
    return { id: tenant.id };
  }

  /** A query that forgot every filter. */
  @Get('memberships')
  async memberships() {
    const found = await this.em.find(Membership, {}, { filters: false });
    return found.map(({ userId, tenantId }) => ({ userId, tenantId }));
  }
}

let clerk: TestClerk;
let app: TestApp;
let other: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  const withThemes = (env: Record<string, string>) => {
    @Module({
      imports: modulesOf(readSettings(env)),
      providers: requestChain,
      controllers: [ThemesController],
    })
    class TestModule {}
    return TestModule;
  };
  app = await startApp(clerk, {}, undefined, withThemes);
  other = await startApp(clerk, {}, app.database, withThemes);
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const nowS = () => Math.floor(Date.now() / 1000);
const codeOf = async (each: TestApp, token: string) => {
  const { status, body } = await each.as(token, '/v1/me');
  return body.code ?? status;
};

async function tell(type: string, data: object, timestamp = Date.now()): Promise<void> {
  const { status, body } = await clerk.deliver(app.url, clerk.anEvent(type, data, { timestamp }));
  expect([status, body]).toEqual([204, { text: '' }]);
}

const tellMembership = (what: string, { user, organization }: Member, timestamp?: number) =>
  tell(`organizationMembership.${what}`, clerk.organizations.memberships.get(organization.id, user.id), timestamp);
const tellDeleted = (object: 'organization' | 'user', { id }: { id: string }) =>
  tell(`${object}.deleted`, { object, id, deleted: true });

/** Tokens of the member that live long, so that they outlast what happens; issued so many seconds from now. */
function aTokenOf({ user, organization }: Member, inS = 0): string {
  const iat = nowS() + inS;
  return clerk.aTokenIn(organization, user, { iat, nbf: iat - 60, exp: nowS() + 600 });
}

/** The member is asked to go at Clerk; the caller tells of it. */
function leaveAtClerk({ user, organization }: Member) {
  const row = clerk.organizations.book.membership(organization.id, user.id);
  const shown = clerk.organizations.book.showMembership(row);
  clerk.organizations.book.memberships.remove(row);
  return shown;
}

/** The membership of the member has been over for longer than clocks may differ. */
async function aWhileLater({ user }: Member): Promise<void> {
  const sql = `update memberships set ended_at = ended_at - interval '10 s'
               where user_id in (select id from users where clerk_id = $1)`;
  await app.database.query(sql, [user.id]);
}

const membershipsOf = async (member: Member) => (await rowsOf(app.database, member.organization)).memberships;

describe('a token with an organization that nobody told us of', () => {
  it('makes tenant and membership at first sight, without a call to Clerk for them', async () => {
    const ours = anAdmin(clerk, clerk.anOrganization({ slug: 'acme' }));
    const { tenant } = await meet(app, ours.token());
    expect(tenant).toEqual({
      id: expect.any(String),
      clerkId: ours.organization.id,
      name: 'acme',
      slug: 'acme',
      role: 'org:admin',
      permissions: expect.any(Array),
    });
    expect(new Set(tenant?.permissions)).toEqual(permissionsOf('org:admin'));
    expect(clerk.callsTo('/v1/organizations')).toBe(0);
    expect(await membershipsOf(ours)).toMatchObject([
      { role: 'org:admin', ended_at: null, clerk_id: null, clerk_updated_at: '0' },
    ]);
  });

  it('makes them once, however many requests of new users come at once at two instances', async () => {
    const organization = clerk.anOrganization();
    const members = [anAdmin(clerk, organization), aMember(clerk, organization)];
    const calls = clerk.calls.length;
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => {
        const token = members[i % 4 < 3 ? 0 : 1]?.token() ?? '';
        return (i % 2 === 0 ? app : other).as(token, i % 3 === 0 ? '/v1/tenant/members' : '/v1/me');
      }),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const { tenants, memberships } = await rowsOf(app.database, organization);
    expect(tenants).toHaveLength(1);
    expect(memberships).toMatchObject([{ ended_at: null }, { ended_at: null }]);
    const users = await app.database.query('select from users where clerk_id = any($1)', [
      members.map(({ user }) => user.id),
    ]);
    expect(users).toHaveLength(2);
    expect(clerk.calls.slice(calls).filter((path) => path.startsWith('/v1/organization'))).toEqual([]);
  });

  it('works while Clerk is away', async () => {
    const ours = anAdmin(clerk);
    const token = ours.token();
    clerk.behaviour = 'refuses';
    const { tenant } = await meet(app, token);
    clerk.behaviour = 'answers';
    expect(tenant?.clerkId).toBe(ours.organization.id);
  });

  it('has a name: Clerk’s, else the slug, else the id', async () => {
    const ours = anAdmin(clerk, clerk.anOrganization({ name: 'Globex', slug: 'globex' }));
    const { id } = ours.organization;
    const claims = clerk.aTokenIn(ours.organization, ours.user, { o: { id, rol: 'admin' } });
    const nameNow = async () => (await meet(app, claims)).tenant?.name;
    expect(await nameNow()).toBe(id);
    await app.database.query(
      `with named as (update tenants set slug = 'globex' where clerk_id = $1) insert into changes (topic, key) values ('tenant', $1)`,
      [id],
    );
    for (let tries = 0; (await nameNow()) === id && tries < 200; tries++) await pause(10);
    expect(await nameNow()).toBe('globex');
    await tell('organization.created', clerk.organizations.get(id));
    expect(await nameNow()).toBe('Globex');
    expect((await app.as(claims, '/v1/tenant')).body).toMatchObject({ name: 'Globex', slug: 'globex' });
    const view = (await app.as(claims, '/v1/me/memberships')).body.data as { tenant: { name: string } }[];
    expect(view[0]?.tenant.name).toBe('Globex');
  });

  it('of the first version is one as well', async () => {
    const { organization, user } = aMember(clerk);
    const old = { v: undefined, o: undefined, org_id: organization.id, org_role: 'org:admin', org_slug: 'old' };
    const token = clerk.aToken({ sub: user.id, ...old, org_permissions: ['org:projects:write'] });
    expect((await meet(app, token)).tenant).toMatchObject({
      clerkId: organization.id,
      slug: 'old',
      role: 'org:admin',
      permissions: ['org:projects:write'],
    });
  });
});

describe('a caller without an organization', () => {
  it('has no tenant, and sees the own memberships of all the rows that are scoped', async () => {
    const organization = clerk.anOrganization();
    const ours = aMember(clerk, organization);
    const second = aMember(clerk, clerk.anOrganization(), 'org:member', ours.user);
    const { user, tenant } = await meet(app, ours.token());
    const { tenant: another } = await meet(app, second.token());
    const { user: colleague } = await meet(app, aMember(clerk, organization).token());
    const nobody = clerk.aToken({ sub: ours.user.id });
    expect((await meet(app, nobody)).tenant).toBeNull();
    expect((await app.as(nobody, '/v1/tenant')).body.code).toBe('tenant_required');
    const seen = async (token: string) => (await app.as(token, '/themes/memberships')).body as never as object[];
    const own = [tenant?.id, another?.id].map((tenantId) => ({ tenantId, userId: user.id }));
    expect(await seen(nobody)).toEqual(expect.arrayContaining(own));
    expect(await seen(nobody)).toHaveLength(2);
    expect(await seen(ours.token())).toEqual(
      expect.arrayContaining([...own, { tenantId: tenant?.id, userId: colleague.id }]),
    );
    expect(await seen(ours.token())).toHaveLength(3);
    expect(await seen(clerk.aToken({ sub: clerk.aUser().id }))).toEqual([]);
  });
});

describe('a membership', () => {
  it('is not made at first sight where the pair’s has ended, but by a token that was issued after the end', async () => {
    const ours = aMember(clerk);
    const before = aTokenOf(ours, -5);
    await meet(app, before);
    const at = Date.now();
    const gone = leaveAtClerk(ours);
    await tell('organizationMembership.deleted', gone, at);
    const [ended] = (await membershipsOf(ours)) ?? [];
    expect(ended).toMatchObject({ ended_at: expect.any(Date), clerk_id: gone.id });
    expect(await codeOf(app, before)).toBe('token_revoked');
    await app.database.query("delete from revocations where kind = 'membership'");
    const restarted = await startApp(clerk, {}, app.database);
    expect(await codeOf(restarted, before)).toBe('token_revoked');
    expect(await membershipsOf(ours)).toEqual([ended]);
    clerk.aMembership(ours.organization, ours.user);
    await aWhileLater(ours);
    expect(await codeOf(app, aTokenOf(ours, 2))).toBe(200);
    expect(await membershipsOf(ours)).toMatchObject([{ ended_at: null, clerk_id: null, clerk_updated_at: '0' }]);
  });

  it('of a member who was removed and comes back under a new id is one again, whichever order the events come in', async () => {
    for (const order of ['in order', 'reversed']) {
      const ours = aMember(clerk);
      const before = aTokenOf(ours, -2);
      await meet(app, before);
      const at = Date.now();
      const gone = leaveAtClerk(ours);
      await pause(2);
      const back = clerk.aMembership(ours.organization, ours.user, 'org:admin');
      const events = [() => tell('organizationMembership.deleted', gone, at), () => tellMembership('created', ours)];
      for (const event of order === 'in order' ? events : events.toReversed()) await event();
      expect(await membershipsOf(ours)).toMatchObject([{ clerk_id: back.id, role: 'org:admin', ended_at: null }]);
      expect([order, await codeOf(app, before)]).toEqual([order, 'token_revoked']);
      const after = aTokenOf(ours, 2);
      for (const each of [app, other]) {
        for (let tries = 0; (await codeOf(each, after)) !== 200 && tries < 100; tries++) await pause(10);
        expect((await meet(each, after)).tenant?.role).toBe('org:admin');
      }
    }
  });

  it('that claims made gets Clerk’s id by the event, and keeps its own', async () => {
    const ours = aMember(clerk);
    await meet(app, ours.token());
    const [claimed] = (await membershipsOf(ours)) as { id: string }[];
    await tellMembership('created', ours);
    const { id } = clerk.organizations.memberships.get(ours.organization.id, ours.user.id);
    expect(await membershipsOf(ours)).toMatchObject([{ id: claimed?.id, clerk_id: id, ended_at: null }]);
    expect(await codeOf(app, ours.token())).toBe(200);
  });

  it.each(['organization', 'user'] as const)('is never made under a deleted %s', async (what) => {
    const ours = aMember(clerk);
    const token = aTokenOf(ours, 3);
    await tellDeleted(what, what === 'organization' ? ours.organization : ours.user);
    for (const each of [app, other]) expect(await codeOf(each, token)).toBe('token_revoked');
    expect(await membershipsOf(ours)).toEqual([]);
    if (what === 'organization') {
      await tellMembership('created', ours);
      expect(await membershipsOf(ours)).toMatchObject([{ ended_at: expect.any(Date) }]);
      for (const each of [app, other]) expect(await codeOf(each, token)).toBe('token_revoked');
    }
  });

  it.each(['tenants', 'users'])('is not made when its row of %s is deleted at the same moment', async (table) => {
    const ours = aMember(clerk);
    const { user, tenant } = await meet(app, clerk.aTokenIn(ours.organization, ours.user));
    const ids = { userId: user.id, tenantId: tenant?.id ?? '' };
    await app.database.query('delete from memberships where user_id = $1', [ids.userId]);
    const fork = app.orm.em.fork();
    let meeting: Promise<void> | undefined;
    await transaction(fork, async (em) => {
      await em.execute(`update ${table} set deleted_at = now() where id = ?`, [
        table === 'users' ? ids.userId : ids.tenantId,
      ]);
      const mirror = app.app.get(MembershipMirror);
      meeting = asTenant(app.orm.em.fork(), ids.tenantId, (own) =>
        mirror.meet(own, ids, { role: 'org:member', issuedAt: nowS() + 100 }),
      );
      await pause(200);
    });
    await meeting;
    expect(await membershipsOf(ours)).toEqual([]);
  });

  it('is one however many tokens of one who came back are seen at once', async () => {
    const ours = aMember(clerk);
    await meet(app, ours.token());
    await tell('organizationMembership.deleted', leaveAtClerk(ours));
    clerk.aMembership(ours.organization, ours.user);
    await aWhileLater(ours);
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => codeOf(i % 2 === 0 ? app : other, aTokenOf(ours, 2))),
    );
    expect(new Set(answers)).toEqual(new Set([200]));
    expect(await membershipsOf(ours)).toMatchObject([{ ended_at: null }]);
  });
});

describe('a session that is revoked while its request waits for the tenant', () => {
  it('does not get to the handler, though the request has no body', async () => {
    const organization = clerk.anOrganization();
    await meet(app, anAdmin(clerk, organization).token());
    const { user } = aMember(clerk, organization);
    await meet(app, clerk.aToken({ sub: user.id }));
    const holder = await holding('select from tenants where clerk_id = $1 for update', organization.id);
    const sid = `sess_${user.id.slice(5)}`;
    const waiting = app.as(clerk.aTokenIn(organization, user, { sid }), '/v1/projects');
    await untilSomebodyWaits();
    await tell('session.revoked', { object: 'session', id: sid, user_id: user.id, status: 'revoked' });
    await holder.query('commit');
    const { status, body } = await waiting;
    expect([status, body.code]).toEqual([401, 'token_revoked']);
  });

  /** Who has locked these rows, until it commits. */
  async function holding(sql: string, id: string): Promise<Client> {
    const holder = new Client({ connectionString: app.database.adminUrl });
    await holder.connect();
    onClose(() => holder.end());
    await holder.query('begin');
    expect((await holder.query(sql, [id])).rowCount).toBe(1);
    return holder;
  }

  async function untilSomebodyWaits(): Promise<void> {
    const sql =
      'select from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0';
    while ((await app.database.query(sql)).length === 0) await pause(10);
  }
});

describe('organization.deleted', () => {
  it('ends the memberships and the access of every member at both instances, for ever', async () => {
    const organization = clerk.anOrganization();
    const members = [anAdmin(clerk, organization), aMember(clerk, organization), aMember(clerk, organization)];
    const elsewhere = aMember(clerk, clerk.anOrganization(), 'org:member', members[1]?.user);
    const tokens = members.map((member) => aTokenOf(member));
    const later = members.map((member) => aTokenOf(member, 4));
    for (const each of [app, other]) for (const token of [...tokens, elsewhere.token()]) await meet(each, token);
    await tellDeleted('organization', organization);
    for (const token of [...tokens, ...later]) expect(await codeOf(app, token)).toBe('token_revoked');
    for (const token of [...tokens, ...later]) {
      for (let tries = 0; (await codeOf(other, token)) === 200 && tries < 100; tries++) await pause(10);
      expect(await codeOf(other, token)).toBe('token_revoked');
    }
    const { tenants, memberships } = await rowsOf(app.database, organization);
    expect(tenants).toMatchObject([{ name: null, slug: null, deleted_at: expect.any(Date) }]);
    expect(memberships).toHaveLength(3);
    for (const row of memberships ?? []) expect(row).toMatchObject({ ended_at: expect.any(Date) });
    for (const each of [app, other]) await meet(each, elsewhere.token());
    const own = (await app.as(elsewhere.token(), '/v1/me/memberships')).body.data as object[];
    expect(own).toMatchObject([{ tenant: { clerkId: elsewhere.organization.id } }]);
    await tell('organization.updated', { ...organization, updated_at: Date.now() + 1000 });
    for (const token of later) expect(await codeOf(app, token)).toBe('token_revoked');
    const restarted = await startApp(clerk, {}, app.database);
    for (const token of later) expect(await codeOf(restarted, token)).toBe('token_revoked');
  });
});

describe('@CurrentTenant()', () => {
  const choose = (each: TestApp, token: string, theme: string, save = true) =>
    each.as(token, '/themes', { method: 'POST', body: { theme, save } });
  const settingsOf = async (each: TestApp, token: string) => (await each.as(token, '/v1/tenant')).body.settings;

  it('gives an entity whose changes are saved and announced by a plain flush', async () => {
    const ours = anAdmin(clerk);
    await meet(other, ours.token());
    const { status, body } = await choose(app, ours.token(), 'dark');
    expect([status, body]).toEqual([201, { before: null, isManaged: true }]);
    expect(await settingsOf(app, ours.token())).toEqual({ theme: 'dark' });
    for (
      let tries = 0;
      tries < 200 && !((await settingsOf(other, ours.token())) as object).hasOwnProperty('theme');
      tries++
    )
      await pause(10);
    expect(await settingsOf(other, ours.token())).toEqual({ theme: 'dark' });
  });

  it('shares nothing with other requests, saved or not', async () => {
    const ours = anAdmin(clerk);
    await choose(app, ours.token(), 'light');
    for (let i = 0; i < 3; i++)
      expect((await choose(app, ours.token(), `unsaved ${i}`, false)).body).toMatchObject({ before: 'light' });
    expect(await settingsOf(app, ours.token())).toEqual({ theme: 'light' });
  });

  it('asks for a tenant, and for a caller', async () => {
    const { status, body } = await choose(app, clerk.aToken(), 'dark');
    expect([status, body.code]).toEqual([403, 'tenant_required']);
    expect((await app.call('/themes/open')).status).toBe(500);
    expect((await app.as(anAdmin(clerk).token(), '/themes/open')).status).toBe(500);
  });

  it('runs no SQL for a tenant and a membership that are known', async () => {
    const REQUESTS = 1000;
    const ours = anAdmin(clerk);
    await meet(app, ours.token());
    const statements = async () =>
      Number(
        (
          await app.database.query<{ n: string }>(
            'select xact_commit + xact_rollback as n from pg_stat_database where datname = current_database()',
          )
        )[0]?.n,
      );
    await pause(1200);
    const before = await statements();
    const token = ours.token();
    for (let i = 0; i < REQUESTS; i++) await choose(app, token, 'x', false);
    await pause(1200);
    // there are some of the readers of the change log and of the jobs
    expect((await statements()) - before).toBeLessThan(REQUESTS);
  });
});

describe('the id of an organization', () => {
  it('that no token of Clerk’s has, is refused', async () => {
    const { user } = aMember(clerk);
    for (const id of ['', 'org_', `org_${randomBytes(60).toString('hex')}`, "org_'; drop table tenants", 'user_x'])
      expect([id, await codeOf(app, clerk.aToken({ sub: user.id, o: { id, rol: 'admin' } }))]).toEqual([
        id,
        'token_invalid',
      ]);
  });
});
