import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { loadBilling } from '../src/billing/billing-snapshot.ts';
import { entitledOf } from '../src/billing/entitled.ts';
import { ENTITLEMENTS } from '../src/entitlements.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { type Chapter, dateOfDay, lifecycleOf } from './support/lifecycle.ts';

const GRACE_MS = 7 * 86_400_000;
const BEGAN = Date.now() - 200 * 86_400_000;
const CHAPTERS = 10;
const TABLES = ['subscriptions', 'subscription_items', 'payment_attempts'] as const;

/** How an event leaves out what it may, or says it otherwise. */
interface Manner {
  isPayerless: boolean;
  saysSubscriptionItems: boolean;
  /** Of an item on its own: then the time of the envelope counts, which is the same. */
  isTimeless: boolean;
}

interface Delivery {
  chapter: number;
  manner: Manner;
}

let clerk: TestClerk;
let app: TestApp;
let runs = 0;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk);
  // events alone: Clerk, which knows none of them, is not to be believed on what is in doubt
  clerk.behaviour = 'fails';
});

/** Each of the first chapters at least once, in any order and manner. */
const deliveries: fc.Arbitrary<Delivery[]> = fc
  .integer({ min: 1, max: CHAPTERS })
  .chain((count) =>
    fc
      .tuple(
        fc.shuffledSubarray([...Array(count).keys()], { minLength: count }),
        fc.array(fc.nat({ max: count - 1 }), { maxLength: 6 }),
      )
      .chain(([all, again]) => fc.shuffledSubarray([...all, ...again], { minLength: all.length + again.length })),
  )
  .chain((chapters) =>
    fc.tuple(
      ...chapters.map((chapter) =>
        fc.record({
          chapter: fc.constant(chapter),
          manner: fc.record({
            isPayerless: fc.boolean(),
            saysSubscriptionItems: fc.boolean(),
            isTimeless: fc.boolean(),
          }),
        }),
      ),
    ),
  );

describe('a subscription, whatever becomes of its events', () => {
  it('stands in the end as if they had come once, in order, and gives what is documented at each time', async () => {
    await fc.assert(
      fc.asyncProperty(deliveries, async (told) => {
        const [run, orgId] = [runs++, `org_life${runs}`];
        const story = lifecycleOf(orgId, BEGAN);
        for (const { chapter, manner } of told) await tell(story[chapter] as Chapter, `${run}_${chapter}`, manner);
        const last = Math.max(...told.map(({ chapter }) => chapter));
        expect(await accessOf(orgId, story[last] as Chapter)).toEqual((story[last] as Chapter).after);
        expect(await projectionOf(orgId)).toEqual(await inOrder(last));
        expect(await app.database.query('select 1 from waiting_billing')).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});

/** An id of the same rank for the same chapter: of two words at the same time the greater one counts. */
async function tell(
  { type, data, at }: Chapter,
  id: string,
  { isPayerless, saysSubscriptionItems, isTimeless }: Manner,
) {
  const { payer, items, ...rest } = data;
  // the first one alone says it, else nobody would ever know
  const isNamed = type === 'subscription.created' || !isPayerless;
  const shown = items === undefined ? {} : { [saysSubscriptionItems ? 'subscription_items' : 'items']: items };
  const isUntimed = isTimeless && type.startsWith('subscriptionItem.');
  const said = { ...rest, ...shown, ...(isNamed && { payer }), ...(isUntimed && { updated_at: undefined }) };
  const { status } = await clerk.deliver(app.url, clerk.anEvent(type, said, { timestamp: at }), {
    id: `msg_${id}_${isPayerless}_${saysSubscriptionItems}_${isTimeless}`,
  });
  expect(status).toBe(204);
}

async function accessOf(orgId: string, { after }: Chapter) {
  const snapshot = await loadBilling(app.orm.em.fork(), orgId);
  if (!snapshot) throw new Error('The payer is not there');
  return after.map(({ day }) => {
    const entitled = entitledOf(snapshot, { book: ENTITLEMENTS, now: dateOfDay(BEGAN, day), graceMs: GRACE_MS });
    const { item, hasAccess: access } = entitled.standing;
    return { day, plan: entitled.plan, access, status: item?.status };
  });
}

/** Every column but ours, with the payer's name taken out. */
async function projectionOf(orgId: string) {
  const rows = TABLES.map((table) =>
    app.database.query<Record<string, unknown>>(
      `select t.* from ${table} t join tenants on tenants.id = owner_id where tenants.clerk_id = $1 order by provider_id`,
      [orgId],
    ),
  );
  return (await Promise.all(rows)).map((table) =>
    table.map(({ id: _id, owner_id: _o, created_at: _c, updated_at: _u, clerk_event_id: _e, ...row }) =>
      JSON.stringify(row).replaceAll(orgId, 'org'),
    ),
  );
}

const told = new Map<number, Promise<unknown>>();

/** As it stands after the chapters up to that one, once and in order. */
function inOrder(last: number): Promise<unknown> {
  const known = told.get(last) ?? tellInOrder(last);
  told.set(last, known);
  return known;
}

async function tellInOrder(last: number) {
  const orgId = `org_order${last}`;
  const manner = { isPayerless: false, saysSubscriptionItems: false, isTimeless: false };
  for (const [index, chapter] of lifecycleOf(orgId, BEGAN)
    .slice(0, last + 1)
    .entries())
    await tell(chapter, `order${last}_${index}`, manner);
  return projectionOf(orgId);
}
