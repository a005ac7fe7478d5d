import { randomBytes } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Wishes } from '../local/clerk/order.ts';
import { planOf } from '../local/clerk/plan.ts';
import { PLANS } from '../local/clerk/plans.ts';
import { askAgain, askForAll, CALL_S } from '../src/billing/doubts.ts';
import { ENTITLEMENTS } from '../src/entitlements.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { anAdmin, type Member, meet } from './support/tenants.ts';
import { until } from './support/until.ts';

const HOUR = 3_600_000;
const OFFERED = PLANS.length;

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk, clerk.productionEnv);
  // else a plan is not known, which is a doubt of its own
  await until(async () => (await app.database.query('select from plans')).length > 0);
});

afterEach(() => {
  clerk.behaviour = 'answers';
  PLANS.splice(OFFERED);
  jest.restoreAllMocks();
});

type Data = Record<string, unknown>;

const anId = (prefix: string) => `${prefix}_${randomBytes(8).toString('hex')}`;

/** Of an organization that Clerk need not know. */
function anItem(facts: Data = {}): Data {
  const id = anId('subi');
  return {
    object: 'commerce_subscription_item',
    id,
    status: 'active',
    is_free_trial: false,
    created_at: Date.now() - HOUR,
    updated_at: Date.now() - HOUR,
    period_start: Date.now() - HOUR,
    period_end: Date.now() + 100 * HOUR,
    interval: 'month',
    plan_id: 'cplan_pro',
    plan: { id: 'cplan_pro', slug: 'pro', name: 'Pro', is_recurring: true, amount: 2000, currency: 'USD' },
    ...facts,
  };
}

const payerOf = (organizationId: string) => ({
  object: 'commerce_payer',
  id: `cpayer_${organizationId}`,
  user_id: '',
  organization_id: organizationId,
});

const aSubscription = (organizationId: string, items: Data[], facts: Data = {}): Data => ({
  object: 'commerce_subscription',
  id: `csub_${organizationId}`,
  status: 'active',
  active_at: Date.now() - HOUR,
  created_at: Date.now() - HOUR,
  updated_at: Date.now() - HOUR,
  payer_id: `cpayer_${organizationId}`,
  payer: payerOf(organizationId),
  items,
  ...facts,
});

async function tell(type: string, data: Data, facts: { timestamp?: number } = {}, id?: string): Promise<number> {
  const { status } = await clerk.deliver(app.url, clerk.anEvent(type, data, facts), id ? { id } : {});
  return status;
}

interface ItemRow {
  provider_id: string;
  plan: string | null;
  status: string;
  clerk_updated_at: string;
  period_end: Date | null;
}

const itemsOf = (organizationId: string) =>
  app.database.query<ItemRow>(
    `select i.* from subscription_items i join tenants t on t.id = i.owner_id where t.clerk_id = $1 order by provider_id`,
    [organizationId],
  );

const inDoubt = (clerkId: string) =>
  app.database.query<{ reason: string; attempts: number; not_before: unknown }>(
    'select * from billing_rereads where clerk_id = $1',
    [clerkId],
  );

/** The pause after a reading that failed is over. */
const makeDue = (clerkId: string) =>
  app.database.query('update billing_rereads set not_before = now() where clerk_id = $1', [clerkId]);

/** Waits until one reading is over: the next begins after it. */
const untilRead = (clerkId: string) =>
  until(async () => {
    if (!(await inDoubt(clerkId)).some(({ attempts }) => attempts < 2)) return true;
    await makeDue(clerkId);
    return false;
  });

const untilSettled = (clerkId: string) =>
  until(async () => {
    await makeDue(clerkId);
    return (await inDoubt(clerkId)).length === 0;
  });

describe('an event of a payer that it does not name', () => {
  it('is kept, and applied when another names the payer', async () => {
    const organizationId = anId('org');
    const item = anItem({ subscription_id: `csub_${organizationId}` });
    expect(await tell('subscriptionItem.active', item)).toBe(204);
    expect(await itemsOf(organizationId)).toEqual([]);
    expect(await tell('subscription.updated', aSubscription(organizationId, []))).toBe(204);
    expect(await itemsOf(organizationId)).toMatchObject([{ provider_id: item.id, plan: 'pro', status: 'active' }]);
    expect(await tell('subscriptionItem.canceled', { ...item, status: 'canceled', updated_at: Date.now() })).toBe(204);
    expect(await itemsOf(organizationId)).toMatchObject([{ status: 'canceled' }]);
  });

  it('is found by whatever leads to the payer, over several of them', async () => {
    const organizationId = anId('org');
    const item = anItem({ subscription_id: `csub_${organizationId}` });
    const { subscription_id: _, ...bare } = item;
    // the last word names the item alone, the one before the subscription, and the first the payer
    await tell('subscriptionItem.updated', { ...bare, period_end: 5_000_000_000_000, updated_at: Date.now() });
    await tell('subscriptionItem.active', item);
    expect(await tell('subscription.updated', aSubscription(organizationId, []))).toBe(204);
    expect(await itemsOf(organizationId)).toMatchObject([{ period_end: new Date(5_000_000_000_000) }]);
    expect(await app.database.query('select 1 from waiting_billing where provider_ids @> $1', [[item.id]])).toEqual([]);
  });

  it('meets the word that names the payer, however they run at the same time', async () => {
    for (let round = 0; round < 15; round++) {
      const organizationId = anId('org');
      const items = Array.from({ length: 3 }, () => anItem({ subscription_id: `csub_${organizationId}` }));
      const told = [
        tell('subscription.updated', aSubscription(organizationId, [])),
        ...items.map((item) => tell('subscriptionItem.active', item)),
      ];
      expect(await Promise.all(told)).toEqual([204, 204, 204, 204]);
      expect((await itemsOf(organizationId)).map((row) => row.provider_id)).toEqual(
        items.map(({ id }) => id as string).toSorted(),
      );
    }
  });
});

describe('a payer who is new to us', () => {
  it('gets a row by the event, which first sight completes', async () => {
    const user = clerk.aUser();
    const payer = { ...payerOf(''), user_id: user.id };
    const item = anItem({ plan: { id: 'cplan_plus', slug: 'plus' } });
    expect(await tell('subscription.updated', aSubscription('', [item], { id: anId('csub'), payer }))).toBe(204);
    const token = clerk.aToken({ sub: user.id });
    expect((await app.as(token, '/v1/billing/subscription')).body).toMatchObject({ plan: 'plus', access: true });
    const features = ENTITLEMENTS.plans.plus?.features.toSorted();
    expect(await meet(app, token)).toMatchObject({ plan: 'plus', features });
  });

  it('that is deleted leaves nothing', async () => {
    const { id, organization } = await aDeletedTenant();
    expect(await tell('subscription.updated', aSubscription(id, [anItem()]))).toBe(204);
    expect(await itemsOf(organization.id)).toEqual([]);
  });
});

async function aDeletedTenant() {
  const organization = clerk.anOrganization();
  const data = { object: 'organization', id: organization.id, deleted: true };
  await tell('organization.created', { ...organization });
  await tell('organization.deleted', data);
  return { id: organization.id, organization };
}

describe('what is in doubt', () => {
  /** Whom Clerk knows, with a paid plan there of which no event told. */
  async function paying(wishes: Wishes = {}): Promise<Member> {
    const admin = anAdmin(clerk);
    await meet(app, admin.token());
    clerk.billing.subscribe(admin.organization.id, 'pro', wishes);
    return admin;
  }

  const statusOf = async ({ organization }: Member, id: string) =>
    (await itemsOf(organization.id)).find(({ provider_id }) => provider_id === id)?.status;

  const currentOf = ({ organization }: Member) => {
    const found = clerk.billing.get(organization.id).subscription_items.find(({ plan }) => plan.slug === 'pro');
    if (!found) throw new Error('It is not on pro');
    return found;
  };

  const told = (member: Member, facts: Data = {}): Data => {
    const { id, period_start, period_end, updated_at } = currentOf(member);
    const times = { period_start, period_end, updated_at };
    return anItem({ id, ...times, payer: payerOf(member.organization.id), ...facts });
  };

  /** Tells of what is in doubt, and of what Clerk does not have: its id, once a reading is over. */
  async function readInVain({ organization: { id } }: Member, doubtful: Data): Promise<string> {
    const gone = anItem({ payer: payerOf(id), plan: { slug: 'business' } });
    await tell('subscriptionItem.active', gone);
    await tell('subscriptionItem.updated', doubtful);
    await untilRead(id);
    return gone.id as string;
  }

  it('is kept as it was said, gives nothing, and is read again', async () => {
    const admin = await paying();
    const own = async () => (await app.as(admin.token(), '/v1/billing/subscription')).body;
    clerk.behaviour = 'fails';
    expect(await tell('subscriptionItem.updated', told(admin, { status: 'on_a_break' }))).toBe(204);
    expect(await own()).toMatchObject({ status: 'on_a_break', access: false });
    expect(await inDoubt(admin.organization.id)).toMatchObject([{ reason: 'a status that is not known' }]);
    clerk.behaviour = 'answers';
    await untilSettled(admin.organization.id);
    expect(await own()).toMatchObject({ plan: 'pro', status: 'active', access: true });
  });

  it.each<[string, Data]>([
    ['whether it is a trial was not said', { is_free_trial: undefined }],
    ['on trial, and until when was not said', { is_free_trial: true, period_end: null }],
    ['an item without a plan', { plan: null }],
    ['canceled, and until when was not said', { status: 'canceled', period_end: null }],
    ['past due, and since when was not said', { status: 'past_due' }],
  ])('becomes what Clerk says: %s', async (reason, facts) => {
    const admin = await paying({ trial: true });
    const { id, period_end } = currentOf(admin);
    clerk.behaviour = 'fails';
    expect(await tell('subscriptionItem.updated', told(admin, facts))).toBe(204);
    expect(await inDoubt(admin.organization.id)).toMatchObject([{ reason }]);
    clerk.behaviour = 'answers';
    await untilSettled(admin.organization.id);
    // none of the events said all of this
    const onTrial = { plan: 'pro', status: 'active', is_trial: true, period_end: new Date(Number(period_end)) };
    expect(await itemsOf(admin.organization.id)).toContainEqual(
      expect.objectContaining({ provider_id: id, ...onTrial }),
    );
  });

  it('is what of a subscription is told first, and is not the whole of it', async () => {
    const admin = await paying();
    const { id } = admin.organization;
    clerk.behaviour = 'fails';
    await tell(
      'subscriptionItem.abandoned',
      anItem({ status: 'abandoned', payer: payerOf(id), plan: { slug: 'business' } }),
    );
    expect(await inDoubt(id)).toMatchObject([{ reason: 'told of in part alone' }]);
    clerk.behaviour = 'answers';
    await untilSettled(id);
    expect(await meet(app, admin.token())).toMatchObject({ plan: 'pro' });
    await tell(
      'subscriptionItem.abandoned',
      anItem({ status: 'abandoned', payer: payerOf(id), plan: { slug: 'pro' } }),
    );
    expect(await inDoubt(id)).toEqual([]);
  });

  it('is a plan that was made since the start, whose features are then learned', async () => {
    const { organization, token } = await paying();
    PLANS.push(planOf({ slug: 'team', name: 'Team', payer: 'org', fee: 9000, features: ['rockets'] }));
    clerk.billing.subscribe(organization.id, 'team');
    clerk.behaviour = 'fails';
    await tell('subscription.updated', clerk.billing.eventData('subscription.updated', organization.id) as Data);
    expect(await inDoubt(organization.id)).toMatchObject([{ reason: 'a plan that is not known' }]);
    clerk.behaviour = 'answers';
    await untilSettled(organization.id);
    expect(await meet(app, token())).toMatchObject({ plan: 'team', features: ['rockets'] });
  });

  it('is a new plan alone, where the plans cannot be read and the subscription can', async () => {
    const { organization, token } = await paying();
    PLANS.push(planOf({ slug: 'team', name: 'Team', payer: 'org', fee: 9000, features: ['rockets'] }));
    clerk.billing.subscribe(organization.id, 'team');
    await app.database.query("delete from plans where slug = 'team'");
    jest.spyOn(PLANS, 'filter').mockImplementation(() => {
      throw new Error('no list');
    });
    const { status, body } = await app.as(token(), '/v1/billing/subscription');
    expect([status, body.plan]).toEqual([200, 'team']);
    expect(await inDoubt(organization.id)).toMatchObject([{ reason: 'a plan that is not known' }]);
    jest.restoreAllMocks();
    await untilSettled(organization.id);
    expect(await meet(app, token())).toMatchObject({ plan: 'team', features: ['rockets'] });
  });

  it('is read before what was only asked for, which keeps it waiting no longer', async () => {
    const admin = await paying();
    await app.database.query(
      `insert into billing_rereads (clerk_id, kind, reason, can_wait, not_before)
       select 'org_patient' || n, 'tenant', 'a reconciliation', true, now() - interval '1 day' from generate_series(1, 3000) as n`,
    );
    const item = told(admin, { status: 'on_a_break' });
    await tell('subscriptionItem.updated', item);
    await until(async () => (await statusOf(admin, item.id as string)) === 'active');
    const waiting = await app.database.query(
      "delete from billing_rereads where clerk_id like 'org_patient%' and attempts = 0 returning 1",
    );
    expect(waiting.length).toBeGreaterThan(0);
  });

  it('is not read while a call is under way that will change it, though it was due', async () => {
    const { organization } = await paying();
    const payer = { kind: 'tenant' as const, clerkId: organization.id };
    const em = app.orm.em.fork();
    clerk.behaviour = 'fails';
    await askAgain(em, payer, 'an event');
    await askAgain(em, payer, 'a cancellation', { afterS: CALL_S });
    await askForAll(em);
    const [row] = await inDoubt(organization.id);
    expect(row).toMatchObject({ reason: 'a cancellation' });
    expect(Number(row?.not_before)).toBeGreaterThan(Date.now());
    await askAgain(em, payer, 'an event');
    expect(await inDoubt(organization.id)).toEqual([{ ...row, doubt_id: expect.any(String), reason: 'an event' }]);
    await app.database.query('delete from billing_rereads where can_wait');
  });

  it('is asked of as many payers as there are', async () => {
    clerk.behaviour = 'fails';
    const many = 10_001;
    await app.database.query(
      "insert into users (id, clerk_id) select gen_random_uuid(), 'user_many_' || i from generate_series(1, $1) i",
      [many],
    );
    const [others] = await app.database.query<{ count: number }>(
      `select (select count(*) from tenants where deleted_at is null)::int
         + (select count(*) from users where deleted_at is null)::int as count`,
    );
    expect(await askForAll(app.orm.em.fork())).toBe(others?.count);
    const asked = await app.database.query("select from billing_rereads where clerk_id like 'user_many_%'");
    await app.database.query('delete from billing_rereads where can_wait');
    await app.database.query("delete from users where clerk_id like 'user_many_%'");
    expect(asked).toHaveLength(many);
  });

  it.each([
    ['canceled', 'canceled, and until when was not said', { status: 'canceled', period_end: null }],
    ['on trial', 'on trial, and until when was not said', { is_free_trial: true, period_end: null }],
    ['of no plan', 'an item without a plan', { plan: null, plan_id: null }],
    ['past due', 'past due, and since when was not said', { status: 'past_due' }],
  ])('takes nothing away until Clerk was asked: an item that is %s', async (_, reason, facts) => {
    const admin = await paying({ trial: true });
    const { id } = admin.organization;
    const own = async () => (await app.as(admin.token(), '/v1/billing/subscription')).body;
    // a reading that failed in a test before may have Clerk left alone for a while
    const before = await until(own, ({ access }) => access === true);
    expect(before).toMatchObject({ plan: 'pro', access: true, currentPeriodEnd: expect.any(String) });
    clerk.behaviour = 'fails';
    expect(await tell('subscriptionItem.updated', told(admin, { ...facts, updated_at: Date.now() }))).toBe(204);
    expect(await inDoubt(id)).toMatchObject([{ reason }]);
    const { plan, seats, currentPeriodEnd } = before;
    expect(await own()).toMatchObject({ plan, seats, currentPeriodEnd, access: true });
  });

  it.each<[string, Data]>([
    ['seats', { seats: undefined }],
    ['an end', { is_free_trial: false, period_end: undefined }],
    ['whether it is a trial', { status: 'canceled', is_free_trial: undefined }],
    ['a plan', { plan: undefined, plan_id: undefined }],
  ])('is a word that leaves out %s, which another had, in any order', async (_, without) => {
    clerk.behaviour = 'fails';
    const orders = [
      [0, 1],
      [1, 0],
    ];
    for (const order of orders) {
      const organizationId = anId('org');
      const item = anItem({ is_free_trial: true, seats: { quantity: 10 } });
      await tell('subscription.updated', aSubscription(organizationId, [anItem({ plan: { slug: 'free_org' } })]));
      expect(await inDoubt(organizationId)).toEqual([]);
      const words = [item, { ...item, updated_at: Date.now(), ...without }];
      for (const place of order)
        await tell('subscriptionItem.updated', { ...words[place], payer: payerOf(organizationId) });
      expect(await inDoubt(organizationId)).toHaveLength(1);
    }
  });

  it('is a word that leaves out the seats, in any order of more than two', async () => {
    clerk.behaviour = 'fails';
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    for (const order of orders) {
      const organizationId = anId('org');
      await tell('subscription.updated', aSubscription(organizationId, [anItem({ plan: { slug: 'free_org' } })]));
      const item = anItem({ status: 'upcoming', payer: payerOf(organizationId) });
      const words = [
        { ...item, seats: { quantity: 10 } },
        { ...item, updated_at: Date.now() - 1000 },
        { ...item, updated_at: Date.now(), status: 'active' },
      ];
      for (const place of order) await tell('subscriptionItem.updated', words[place] as Data);
      expect([order, await inDoubt(organizationId)]).toEqual([order, [expect.anything()]]);
    }
  });

  it('does not lose an end with a start that a word leaves out', async () => {
    clerk.behaviour = 'fails';
    const organizationId = anId('org');
    const item = anItem({ payer: payerOf(organizationId) });
    await tell('subscription.updated', aSubscription(organizationId, [item]));
    const { period_start, period_end, ...timeless } = item;
    await tell('subscriptionItem.updated', { ...timeless, updated_at: Date.now() - 1000 });
    await tell('subscriptionItem.canceled', { ...timeless, period_start, status: 'canceled', updated_at: Date.now() });
    const end = new Date(Number(period_end));
    expect(await itemsOf(organizationId)).toMatchObject([{ status: 'canceled', period_end: end }]);
  });

  it('is a part of what somebody pays for, whose token counts until the whole is known', async () => {
    const admin = anAdmin(clerk);
    const token = clerk.aTokenIn(admin.organization, admin.user, { pla: 'o:pro', fea: 'o:projects,o:export' });
    expect(await meet(app, token)).toMatchObject({ plan: 'pro', features: ['export', 'projects'] });
    clerk.behaviour = 'fails';
    await tell(
      'subscriptionItem.abandoned',
      anItem({ status: 'abandoned', payer: payerOf(admin.organization.id), plan: { slug: 'business' } }),
    );
    expect(await inDoubt(admin.organization.id)).toMatchObject([{ reason: 'told of in part alone' }]);
    expect(await meet(app, token)).toMatchObject({ plan: 'pro', features: ['export', 'projects'] });
  });

  it('is an event without a time, where something later is known', async () => {
    const admin = await paying();
    clerk.behaviour = 'fails';
    await tell('subscriptionItem.active', told(admin, { updated_at: Date.now() }));
    const { updated_at: _, ...untimed } = told(admin, { status: 'ended' });
    await tell('subscriptionItem.ended', untimed, { timestamp: Date.now() - HOUR });
    expect((await inDoubt(admin.organization.id)).map(({ reason }) => reason)).toEqual(['an event without a time']);
    const { updated_at: __, ...latest } = told(admin, { status: 'canceled' });
    await tell('subscriptionItem.canceled', latest, { timestamp: Date.now() + 1000 });
    expect(await statusOf(admin, latest.id as string)).toBe('canceled');
  });

  it('is what a subscription says of its items by halves: what was known of them stays', async () => {
    const admin = await paying();
    const item = told(admin, { is_free_trial: true, seats: { quantity: 3 } });
    clerk.behaviour = 'fails';
    await tell('subscriptionItem.active', item);
    const { is_free_trial: _, seats: __, updated_at: ___, ...half } = item;
    await tell('subscription.updated', aSubscription(admin.organization.id, [half], { updated_at: Date.now() }));
    const [row] = await app.database.query<{ is_trial: boolean; seats: number }>(
      'select * from subscription_items where provider_id = $1',
      [item.id],
    );
    expect([row?.is_trial, row?.seats]).toEqual([true, 3]);
    expect(await inDoubt(admin.organization.id)).toMatchObject([{ reason: 'whether it is a trial was not said' }]);
  });

  it('is a subscription that is past due, when no item of it is said to be', async () => {
    const admin = await paying();
    clerk.behaviour = 'fails';
    const facts = { status: 'past_due', past_due_at: Date.now() };
    await tell('subscription.pastDue', aSubscription(admin.organization.id, [told(admin)], facts));
    expect(await inDoubt(admin.organization.id)).toMatchObject([{ reason: 'a status that no item of it has' }]);
  });

  it.each<[string, (answer: Data) => Data]>([
    [
      'a list of items of another name',
      ({ subscription_items, ...answer }) => ({ ...answer, things: subscription_items }),
    ],
    ['an item without a status', (answer) => ({ ...answer, subscription_items: [{ id: 'subi_x', status: null }] })],
    ['no list', (answer) => ({ ...answer, subscription_items: {} })],
  ])('ends nothing by an answer that cannot be read: %s', async (_, change) => {
    const admin = await paying();
    const { id } = admin.organization;
    const doubtful = told(admin, { status: 'on_a_break' });
    const answer = change({ ...clerk.billing.get(id) });
    jest.spyOn(clerk.billing, 'get').mockImplementation(() => answer as never);
    const gone = await readInVain(admin, doubtful);
    expect(await statusOf(admin, gone)).toBe('active');
    expect(await statusOf(admin, doubtful.id as string)).toBe('on_a_break');
    expect(await inDoubt(id)).toHaveLength(1);
    jest.restoreAllMocks();
    await untilSettled(id);
    expect(await statusOf(admin, gone)).toBe('ended');
  });

  it('ends nothing by a 404 that is not Clerk’s own', async () => {
    const admin = await paying();
    const { id } = admin.organization;
    clerk.behaviour = 'misleads';
    const gone = await readInVain(admin, told(admin, { status: 'on_a_break' }));
    expect(await statusOf(admin, gone)).toBe('active');
    expect(await inDoubt(id)).toHaveLength(1);
    clerk.behaviour = 'answers';
    await untilSettled(id);
    expect(await statusOf(admin, gone)).toBe('ended');
  });

  it('stays over, once Clerk did not have it, whatever an older event says', async () => {
    const admin = await paying();
    const gone = anItem({ payer: payerOf(admin.organization.id), plan: { slug: 'business' } });
    await tell('subscriptionItem.active', gone);
    await tell('subscriptionItem.updated', told(admin, { status: 'on_a_break' }));
    await until(async () => (await statusOf(admin, gone.id as string)) === 'ended');
    await untilSettled(admin.organization.id);
    clerk.behaviour = 'fails';
    await tell('subscriptionItem.updated', { ...gone, updated_at: Date.now() - HOUR / 2 });
    expect(await statusOf(admin, gone.id as string)).toBe('ended');
    const reason = 'told of, though the provider did not have it any more';
    expect(await inDoubt(admin.organization.id)).toMatchObject([{ reason }]);
  });

  it('stays over, though it was told of by a clock that is ahead', async () => {
    const admin = await paying();
    const gone = anItem({ payer: payerOf(admin.organization.id), updated_at: Date.now() + HOUR / 60 });
    await tell('subscriptionItem.active', gone);
    await untilSettled(admin.organization.id);
    const row = (await itemsOf(admin.organization.id)).find(({ provider_id: id }) => id === gone.id);
    // a reading that began before, and ends after, is the older one
    expect([row?.status, Number(row?.clerk_updated_at)]).toEqual(['ended', Number(gone.updated_at) + 1]);
  });

  it('is an answer that is older than an event, once', async () => {
    const admin = await paying();
    const { id } = admin.organization;
    await tell('subscription.updated', clerk.billing.eventData('subscription.updated', id) as Data);
    const ended = told(admin, { status: 'ended', updated_at: Date.now() + 1 });
    await tell('subscriptionItem.ended', ended);
    await askAgain(app.orm.em.fork(), { kind: 'tenant', clerkId: id }, 'an event');
    const asked = await until(
      async () => (await inDoubt(id))[0],
      (row) => row?.reason !== 'an event',
    );
    expect(asked).toMatchObject({ reason: 'an answer that is older than an event', attempts: 0 });
    expect(await statusOf(admin, ended.id as string)).toBe('active');
    await untilSettled(id);
    expect(await statusOf(admin, ended.id as string)).toBe('active');
  });

  it('ends all that a payer has, of whom Clerk knows no subscription, and is not asked again', async () => {
    const organizationId = anId('org');
    const item = anItem({ payer: payerOf(organizationId), status: 'active', is_free_trial: undefined });
    await tell('subscriptionItem.active', item);
    await until(async () => (await inDoubt(organizationId))[0]?.not_before === Number.POSITIVE_INFINITY);
    expect(await itemsOf(organizationId)).toMatchObject([{ status: 'ended' }]);
  });

  it('is two words of the same time that are at odds, whichever came last', async () => {
    const admin = await paying();
    const { id } = admin.organization;
    await tell('subscription.updated', clerk.billing.eventData('subscription.updated', id) as Data);
    const ended = told(admin, { status: 'ended', updated_at: Date.now() });
    await tell('subscriptionItem.ended', ended, {}, 'msg_b');
    expect([await statusOf(admin, ended.id as string), await inDoubt(id)]).toEqual(['ended', []]);
    clerk.behaviour = 'fails';
    await tell('subscriptionItem.active', { ...ended, status: 'active' }, {}, 'msg_a');
    expect(await inDoubt(id)).toMatchObject([{ reason: 'two words of the same time that are not the same' }]);
    clerk.behaviour = 'answers';
    await untilSettled(id);
    expect(await statusOf(admin, ended.id as string)).toBe('active');
  });

  it('waits for Clerk while it is away, and for as long as it takes', async () => {
    const admin = await paying();
    clerk.behaviour = 'fails';
    const item = told(admin, { status: 'on_a_break' });
    await tell('subscriptionItem.updated', item);
    await until(async () => (await inDoubt(admin.organization.id)).some(({ attempts }) => attempts > 0));
    expect(await statusOf(admin, item.id as string)).toBe('on_a_break');
    clerk.behaviour = 'answers';
    await until(async () => {
      await app.database.query('update billing_rereads set not_before = now()');
      return (await statusOf(admin, item.id as string)) === 'active';
    });
  });

  it('ends what Clerk does not have any more', async () => {
    const admin = await paying();
    const gone = anItem({ payer: payerOf(admin.organization.id), plan: { slug: 'business' } });
    await tell('subscriptionItem.active', gone);
    await tell('subscriptionItem.updated', told(admin, { status: 'on_a_break' }));
    await until(async () => (await statusOf(admin, gone.id as string)) === 'ended');
    expect((await app.as(admin.token(), '/v1/billing/subscription')).body).toMatchObject({ plan: 'pro' });
  });

  it.each<[string, string, (admin: Member) => unknown, () => Data]>([
    ['ended', 'while another is in force since', () => undefined, () => ({})],
    ['canceled', 'while another was before', () => undefined, () => ({ updated_at: Date.now() + 1 })],
    ['canceled', 'while none is', (admin) => clerk.billing.cancel(admin.organization.id), () => ({})],
  ])('leaves %s what was canceled and Clerk does not name, %s', async (expected, _, arrange, times) => {
    const admin = await paying();
    arrange(admin);
    const canceled = anItem({ payer: payerOf(admin.organization.id), status: 'canceled', ...times() });
    await tell('subscriptionItem.canceled', canceled);
    await tell('subscriptionItem.updated', told(admin, { status: 'on_a_break' }));
    await untilSettled(admin.organization.id);
    expect(await statusOf(admin, canceled.id as string)).toBe(expected);
  });
});

describe('an event that is malformed', () => {
  it.each<[string, string, Data]>([
    ['without an id', 'subscriptionItem.active', { id: undefined }],
    ['without a status', 'subscriptionItem.active', { status: undefined }],
    ['with an id that is none', 'subscriptionItem.active', { id: '../users' }],
  ])('is refused: %s', async (_, type, facts) => {
    expect(await tell(type, anItem({ payer: payerOf(anId('org')), ...facts }))).toBe(400);
  });

  it.each<[string, Data]>([
    ['numbers for texts', { interval: 7, plan: 3, seats: 'many' }],
    ['times that are none', { period_start: -1, period_end: 'soon', updated_at: 1e300 }],
    ['seats beyond any', { seats: { quantity: 1e12 } }],
    ['seats below none', { seats: { quantity: -1 } }],
    ['U+0000', { plan: { slug: 'a\0b' }, status: 'act\0ive' }],
    ['times after the year 9999', { period_end: 8e15, past_due_at: 253_402_300_800_000, status: 'past_due' }],
    ['a time far ahead', { updated_at: Date.now() + 1000 * HOUR }],
  ])('is taken for what can be read of it: %s', async (_, facts) => {
    const organizationId = anId('org');
    expect(await tell('subscriptionItem.active', anItem({ payer: payerOf(organizationId), ...facts }))).toBe(204);
    const [row] = await itemsOf(organizationId);
    expect(Number(row?.clerk_updated_at)).toBeLessThanOrEqual(Date.now() + 6 * 60_000);
  });

  it('has no seats without end where how many is no number', async () => {
    const organizationId = anId('org');
    await tell('subscriptionItem.active', anItem({ payer: payerOf(organizationId), seats: { quantity: '5' } }));
    expect(await itemsOf(organizationId)).toMatchObject([{ seats: null }]);
  });

  it('is of a trial where that ends, though it is not said', async () => {
    const organizationId = anId('org');
    const item = anItem({ payer: payerOf(organizationId), is_free_trial: undefined });
    await tell('subscriptionItem.freeTrialEnding', item);
    expect(await itemsOf(organizationId)).toMatchObject([{ is_trial: true }]);
  });

  it('has items that are left out where they are', async () => {
    const organizationId = anId('org');
    const good = anItem();
    const items = [good, { id: 'x' }, null, 7] as Data[];
    expect(await tell('subscription.updated', aSubscription(organizationId, items))).toBe(204);
    expect(await itemsOf(organizationId)).toMatchObject([{ provider_id: good.id }]);
  });
});
