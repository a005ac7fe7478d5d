import { randomInt } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { Reconciling } from './support/reconcile.ts';
import { anAdmin, meet } from './support/tenants.ts';

/** Two UTF-16 units: the limit of 1,000 falls between them. */
const CUT_IN_HALF = `${'x'.repeat(999)}😀`;
/** A name with NUL and both halves of surrogate pairs in it, and what stays of it. */
const BROKEN = 'A\u0000d\ud83da\udc00 \u0000';
const MENDED = 'Ada ';

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk);
});

/** No compression of an index makes it short. */
const chinese = (length: number) =>
  Array.from({ length }, () => String.fromCodePoint(randomInt(0x4e00, 0x9fa5))).join('');
const rowOf = async (id: string) =>
  (await app.database.query<Record<string, unknown>>('select * from users where clerk_id = $1', [id]))[0];
const tenantOf = async (id: string) =>
  (await app.database.query<Record<string, unknown>>('select * from tenants where clerk_id = $1', [id]))[0];

async function tell(type: string, data: object): Promise<void> {
  expect((await clerk.deliver(app.url, clerk.anEvent(type, data))).status).toBe(204);
}

describe('a text that is longer than is kept', () => {
  it.each([
    ['a pair at the limit', CUT_IN_HALF],
    ['a pair at every place', '😀'.repeat(1500)],
    ['pairs at odd places', `x${'😀'.repeat(1500)}`],
  ])('is cut at a whole character: %s', async (_, text) => {
    const user = clerk.aUser({ first_name: text, last_name: null });
    await tell('user.created', user);
    const organization = clerk.anOrganization({ name: text });
    await tell('organization.created', organization);
    for (const row of [await rowOf(user.id), await tenantOf(organization.id)]) {
      expect(row?.name).toBe(Array.from(text).slice(0, 1000).join(''));
      expect(row?.name).not.toContain('\ufffd');
    }
  });

  it('is found by a second reconciliation as the first one wrote it', async () => {
    const reconciling = await Reconciling.start();
    reconciling.clerk.aUser({ first_name: CUT_IN_HALF, last_name: null });
    reconciling.clerk.aUser({ first_name: BROKEN, external_id: chinese(980), image_url: '😀'.repeat(1200) });
    reconciling.clerk.anOrganization({ name: CUT_IN_HALF });
    reconciling.clerk.anOrganization({ name: BROKEN });
    expect(await reconciling.findings(['--apply'])).toMatchObject({ code: 0 });
    expect(await reconciling.findings()).toMatchObject({ code: 0, found: [] });
  });
});

describe('what PostgreSQL cannot hold', () => {
  it('is taken out of the texts of users, and the rest stays', async () => {
    const user = clerk.aUser({ first_name: BROKEN, last_name: '\u0000', external_id: `ext-${BROKEN}` });
    user.email_addresses[0] = { ...user.email_addresses[0], email_address: `a\u0000@${user.id}.example` } as never;
    await tell('user.updated', user);
    expect(await rowOf(user.id)).toMatchObject({
      name: MENDED,
      email: `a@${user.id}.example`,
      external_id: `ext-${MENDED}`,
    });
  });

  it('is taken out of the texts of tenants and invitations', async () => {
    const ours = anAdmin(clerk);
    await meet(app, ours.token());
    await tell('organization.updated', { ...ours.organization, name: BROKEN, slug: 'a\ud800cme' });
    expect(await tenantOf(ours.organization.id)).toMatchObject({ name: MENDED, slug: 'acme' });
    await tell('organizationInvitation.created', {
      id: 'orginv_broken',
      organization_id: ours.organization.id,
      email_address: '\u0000new@example.com',
      role: 'org:member',
    });
    const { body } = await app.as(ours.token(), '/v1/tenant/invitations');
    expect(body.data).toMatchObject([{ email: 'new@example.com' }]);
  });

  it('is taken out of claims', async () => {
    const user = clerk.aUser();
    const token = clerk.aToken({ sub: user.id, email: 'a\u0000@example.com', name: BROKEN, image_url: '\ud800' });
    const { status, body } = await app.as(token, '/v1/me');
    expect([status, body.user]).toMatchObject([200, { email: 'a@example.com', name: MENDED, imageUrl: null }]);
  });
});

describe('an external id that an index cannot hold', () => {
  const id = chinese(980);

  it('is not kept, and everything else of the user is: by an event', async () => {
    const user = clerk.aUser({ external_id: id, banned: true });
    await tell('user.updated', user);
    expect(await rowOf(user.id)).toMatchObject({ external_id: null, banned_at: expect.any(Date) });
    expect((await app.as(clerk.aToken({ sub: user.id }), '/v1/me')).body.code).toBe('token_revoked');
  });

  it('is not kept: by an answer of Clerk’s', async () => {
    const user = clerk.aUser({ external_id: id });
    expect((await app.as(clerk.aToken({ sub: user.id }), '/v1/me')).status).toBe(200);
    expect(await rowOf(user.id)).toMatchObject({ external_id: null, name: 'Ada Example' });
  });

  it('is not kept: by a claim', async () => {
    const user = clerk.aUser();
    const token = clerk.aToken({ sub: user.id, external_id: id, email: 'ada@example.com' });
    expect((await app.as(token, '/v1/me')).status).toBe(200);
    expect(await rowOf(user.id)).toMatchObject({ external_id: null, email: 'ada@example.com' });
  });

  it('makes no two users one where they begin alike', async () => {
    const users = ['1', '2'].map((end) => clerk.aUser({ external_id: `${'x'.repeat(255)}${end}` }));
    for (const user of users) await tell('user.created', user);
    for (const user of users) expect(await rowOf(user.id)).toMatchObject({ external_id: null });
  });

  it.each([
    ['of the widest characters', '😀'.repeat(127)],
    ['of 255 letters', 'x'.repeat(255)],
    ['of 255 Chinese characters', chinese(255)],
  ])('is kept as it is up to the limit: %s', async (_, short) => {
    const user = clerk.aUser({ external_id: short });
    await tell('user.created', user);
    expect(await rowOf(user.id)).toMatchObject({ external_id: short });
  });
});

describe('another text of Clerk’s that is long in bytes', () => {
  const long = chinese(600);

  it('is kept of users, tenants and invitations, by events and claims', async () => {
    const organization = clerk.anOrganization();
    const admin = anAdmin(clerk, organization);
    const claims = clerk.aTokenIn({ id: organization.id }, admin.user, {
      o: { id: organization.id, slg: long, rol: 'admin', per: '', fpm: '' },
      name: long,
    });
    expect((await app.as(claims, '/v1/me')).body).toMatchObject({ tenant: { slug: long } });
    await tell('organization.updated', { ...organization, name: long, slug: long, image_url: long });
    await tell('user.updated', { ...admin.user, first_name: long, last_name: long, image_url: long });
    await tell('organizationInvitation.created', {
      id: 'orginv_long',
      organization_id: organization.id,
      email_address: `${long}@example.com`,
      role: 'org:member',
    });
    expect((await app.as(admin.token(), '/v1/tenant/invitations')).body.data).toHaveLength(1);
  });

  it('leaves out the plan whose slug an index cannot hold, and no other', async () => {
    const reconciling = await Reconciling.start();
    reconciling.proxy.meddle = (exchange) => {
      if (!exchange.path.startsWith('/v1/billing/plans')) return;
      const { data } = exchange.body as { data: { id: string }[] };
      data.unshift({ ...data[0], id: 'cplan_long', slug: chinese(980) } as never);
    };
    const { code, output } = await reconciling.run(['--apply']);
    expect([code, output]).toEqual([1, expect.stringContaining('cplan_long')]);
    const plans = await reconciling.database.query<{ slug: string }>('select slug from plans');
    expect(plans.map(({ slug }) => slug).toSorted()).toEqual(['business', 'free_org', 'free_user', 'plus', 'pro']);
  });
});
