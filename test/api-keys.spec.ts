import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { refusalOf } from './support/machines.ts';
import { aMember, anAdmin, type Member, meet } from './support/tenants.ts';

const KEYS = '/v1/tenant/api-keys';
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

let clerk: TestClerk;
let app: TestApp;
let other: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk, clerk.productionEnv);
  other = await startApp(clerk, clerk.productionEnv, app.database);
});

beforeEach(() => {
  clerk.behaviour = 'answers';
});

const aKeyOf = ({ organization }: Member) =>
  clerk.anApiKey({ subject: organization.id, scopes: ['projects:read', 'projects:write'] });
const list = async (member: Member, query = '') => (await app.as(member.token(), `${KEYS}${query}`)).body;
const revoke = async (member: Member, id: string, by = app) => {
  const { status, body } = await by.as(member.token(), `${KEYS}/${id}`, { method: 'DELETE' });
  return [status, body.code];
};
const seen = async (by: TestApp, secret: string) => {
  const { status, body } = await by.as(secret, '/v1/projects');
  return [status, body.code];
};
const revocations = () => app.database.query("select * from revocations where kind = 'api_key'");

describe('the API keys of a tenant', () => {
  it('are listed as Clerk has them, the latest first, without a secret', async () => {
    const ours = anAdmin(clerk);
    const theirs = anAdmin(clerk);
    aKeyOf(theirs);
    const keys = Array.from({ length: 5 }, () => aKeyOf(ours));
    clerk.apiKeys.revoke(keys[2]?.id ?? '');
    const shown = [4, 3, 1, 0].map((i) => keys[i]?.id);
    const first = await list(ours, '?limit=3');
    const second = await list(ours, `?limit=3&cursor=${first.nextCursor as string}`);
    const data = [first, second].flatMap((page) => page.data as { id: string }[]);
    expect(data.map(({ id }) => id)).toEqual(shown);
    expect(data[0]).toEqual({
      id: keys[4]?.id,
      name: 'A key',
      description: null,
      scopes: ['projects:read', 'projects:write'],
      createdBy: null,
      lastUsedAt: null,
      expiresAt: null,
      createdAt: TIME,
    });
    expect([typeof first.nextCursor, second.nextCursor]).toEqual(['string', null]);
    expect(JSON.stringify(data)).not.toContain(keys[4]?.secret);
  });

  it.each(['x', 'MA', 'LTE', 'MS41', 'W10', 'bnVsbA'])('refuse the cursor %j that no list gave', async (cursor) => {
    expect((await list(anAdmin(clerk), `?cursor=${cursor}`)).code).toBe('invalid_cursor');
  });

  it('work in the tenant, by their scopes', async () => {
    const ours = anAdmin(clerk);
    const { secret } = aKeyOf(ours);
    const reader = clerk.anApiKey({ subject: ours.organization.id, scopes: ['projects:read'] }).secret;
    const create = (token: string) => app.as(token, '/v1/projects', { method: 'POST', body: { name: 'By a machine' } });
    expect((await create(secret)).status).toBe(201);
    expect((await create(reader)).body.code).toBe('scope_required');
    for (const token of [ours.token(), secret, reader])
      expect((await app.as(token, '/v1/projects')).body.data).toMatchObject([{ name: 'By a machine' }]);
    expect((await app.as(aKeyOf(anAdmin(clerk)).secret, '/v1/projects')).body.data).toEqual([]);
    const ofUser = clerk.anApiKey({ subject: ours.user.id, scopes: ['projects:read'] }).secret;
    expect(await seen(app, ofUser)).toEqual([403, 'tenant_required']);
  });

  it('meet their tenant at first sight, and its name when Clerk tells of it', async () => {
    const organization = clerk.anOrganization({ name: 'Met by a key' });
    const { secret } = clerk.anApiKey({ subject: organization.id, scopes: ['projects:read'] });
    expect(await Promise.all(Array.from({ length: 20 }, () => seen(app, secret)))).toEqual(
      Array.from({ length: 20 }, () => [200, undefined]),
    );
    const rows = () => app.database.query('select name from tenants where clerk_id = $1', [organization.id]);
    expect(await rows()).toEqual([{ name: null }]);
    await clerk.deliver(app.url, clerk.anEvent('organization.created', organization));
    expect(await rows()).toEqual([{ name: 'Met by a key' }]);
  });
});

describe('to revoke an API key', () => {
  it('is to have it refused by both instances, and at Clerk, whoever knew it', async () => {
    const ours = anAdmin(clerk);
    const { id, secret } = aKeyOf(ours);
    for (const each of [app, other]) expect(await seen(each, secret)).toEqual([200, undefined]);
    expect(await revoke(ours, id)).toEqual([204, undefined]);
    expect(await seen(app, secret)).toEqual([401, 'token_revoked']);
    expect(await refusalOf(other, secret, '/v1/projects')).toEqual([401, 'token_revoked']);
    expect(clerk.apiKeys.get(id).revoked).toBe(true);
    expect(await revoke(ours, id)).toEqual([204, undefined]);
    expect((await list(ours)).data).toEqual([]);
  });

  it('that is revoked at Clerk alone is to have it refused here at once', async () => {
    const ours = anAdmin(clerk);
    const { id, secret } = aKeyOf(ours);
    expect(await seen(app, secret)).toEqual([200, undefined]);
    clerk.apiKeys.revoke(id);
    expect(await seen(app, secret)).toEqual([200, undefined]);
    expect(await revoke(ours, id)).toEqual([204, undefined]);
    expect(await seen(app, secret)).toEqual([401, 'token_revoked']);
  });

  it('holds for longer than any verdict, however short the life of session tokens', async () => {
    const short = await startApp(clerk, { ...clerk.productionEnv, CLERK_MAX_TOKEN_LIFETIME_S: '60' }, app.database);
    const ours = anAdmin(clerk);
    const { id } = aKeyOf(ours);
    expect((await short.as(ours.token(), `${KEYS}/${id}`, { method: 'DELETE' })).status).toBe(204);
    const [kept] = await app.database.query<{ left: number }>(
      "select extract(epoch from expires_at - now())::int as left from revocations where kind = 'api_key' and clerk_id = $1",
      [id],
    );
    expect(kept?.left).toBeGreaterThan(300);
  });

  it('of another tenant, of a user, or of nobody is a 404', async () => {
    const [ours, theirs] = [anAdmin(clerk), anAdmin(clerk)];
    await meet(app, ours.token());
    const before = await revocations();
    const own = clerk.anApiKey({ subject: ours.user.id }).id;
    const unknown = [`ak_${'0'.repeat(32)}`, 'x', '%2e%2e%2fusers', '%00', 'ak_%F0%9F%9A%80'];
    for (const id of [aKeyOf(theirs).id, own, ...unknown])
      expect([id, ...(await revoke(ours, id))]).toEqual([id, 404, 'not_found']);
    expect(clerk.apiKeys.get(own).revoked).toBe(false);
    expect(await revocations()).toEqual(before);
  });

  it('takes an admin, by the token and by our copy', async () => {
    const ours = anAdmin(clerk);
    const { id } = aKeyOf(ours);
    const member = aMember(clerk, ours.organization);
    expect(await revoke(member, id)).toEqual([403, 'role_required']);
    await meet(app, ours.token());
    await app.database.query(
      "update memberships set role = 'org:member' where tenant_id in (select id from tenants where clerk_id = $1)",
      [ours.organization.id],
    );
    const before = clerk.calls.length;
    expect(await revoke(ours, id)).toEqual([403, 'role_required']);
    expect(clerk.calls).toHaveLength(before);
    expect(clerk.apiKeys.get(id).revoked).toBe(false);
  });

  it('changes nothing here where Clerk does not confirm it', async () => {
    const ours = anAdmin(clerk);
    const { id, secret } = aKeyOf(ours);
    // else the first request leaves the profile to be read while Clerk fails, which can be one failure too many
    await meet(app, ours.token());
    // it obeys Clerk's 429 for a while, which the others do not hear of
    const busy = await startApp(clerk, clerk.productionEnv, app.database);
    expect(await seen(app, secret)).toEqual([200, undefined]);
    const before = await revocations();
    clerk.behaviour = 'fails';
    expect(await revoke(ours, id)).toEqual([503, 'unavailable']);
    clerk.behaviour = 'busy';
    expect(await revoke(ours, id, busy)).toEqual([429, 'rate_limited']);
    clerk.behaviour = 'answers';
    expect(await revocations()).toEqual(before);
    expect(await seen(app, secret)).toEqual([200, undefined]);
    expect(await revoke(ours, id)).toEqual([204, undefined]);
  });
});
