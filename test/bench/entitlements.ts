import { Client } from 'pg';
import { call } from '../support/http.ts';
import { type Bench, CONNECTIONS, cycle, line, load, median, report, startServer, takeTurns } from './kit.ts';

const CHANGES = 50;
const POLL_MS = 2;
const GOAL_MS = 1000;
const ROUND_S = 3;
const ROUNDS = 5;

interface Payer {
  id: string;
  clerkId: string;
}

type Made = (payer: Payer, isGranted: boolean) => Promise<void>;

/** How soon a change is told by another instance than heard of it, and what a rule about a plan costs a request. */
export async function benchEntitlements(bench: Bench): Promise<void> {
  const [a, b] = [await startServer('app guard', bench.env), await startServer('app guard', bench.env)];
  const ways: Record<string, Made> = {
    'an event': (payer, isGranted) => tell(bench, a, payer, isGranted),
    'an override': (payer, isGranted) => override(bench, payer, isGranted),
  };
  console.log(`\nEntitlements that change, until another instance tells so: ${CHANGES} each, in ms (goal: at most)`);
  for (const [name, make] of Object.entries(ways)) {
    const payer = await aPayer(bench, b);
    const taken: number[] = [];
    for (let change = 0; change < CHANGES; change++) taken.push(await measure(bench, b, payer, make, change % 2 === 0));
    const sorted = taken.toSorted((one, other) => one - other);
    line(`${name}: median`, (sorted[CHANGES / 2] ?? 0).toFixed(0));
    report(`${name}: longest`, sorted.at(-1) ?? 0, GOAL_MS, true);
  }
  await benchRule(bench, a);
}

/** The same route for the same caller, who has the feature, with and without @RequireFeature. */
async function benchRule(bench: Bench, url: string): Promise<void> {
  const payer = await aPayer(bench, url);
  await override(bench, payer, true);
  while (!(await hasExport(bench, url, payer))) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  const tokens = cycle([tokenOf(bench, payer, 3600)]);
  const rate = (path: string) => async () => {
    const setup = (request: object) => ({ ...request, path, headers: { authorization: `Bearer ${tokens()}` } });
    return (await load(url, setup, { duration: ROUND_S, connections: CONNECTIONS })).requests.average;
  };
  console.log('A route with a rule about the plan, requests/s');
  const rates = await takeTurns({ 'no rule': rate('/bench'), 'a feature': rate('/bench/exports') }, ROUNDS);
  for (const [name, values] of Object.entries(rates)) line(name, median(values).toFixed(0));
  const ratios = (rates['a feature'] ?? []).map((value, round) => value / (rates['no rule']?.[round] ?? 1));
  report('a feature / no rule', median(ratios), 0.9);
}

/** A user whose subscription is known there, and who is remembered. */
async function aPayer(bench: Bench, url: string): Promise<Payer> {
  const { id: clerkId } = bench.clerk.aUser();
  const headers = { authorization: `Bearer ${tokenOf(bench, { clerkId })}` };
  await call(`${url}/v1/billing/subscription`, { headers });
  const { body } = await call(`${url}/v1/me`, { headers });
  return { id: (body.user as { id: string }).id, clerkId };
}

async function tell({ clerk }: Bench, url: string, { clerkId }: Payer, isGranted: boolean): Promise<void> {
  const payer = { object: 'commerce_payer', id: `cpayer_${clerkId}`, user_id: clerkId, organization_id: '' };
  const plan = { id: 'cplan_plus', slug: 'plus' };
  const status = isGranted ? 'active' : 'ended';
  const item = {
    object: 'commerce_subscription_item',
    id: `subi_${clerkId}`,
    status,
    plan,
    payer,
    is_free_trial: false,
  };
  const event = clerk.anEvent('subscriptionItem.updated', { ...item, updated_at: Date.now() });
  const answer = await clerk.deliver(url, event);
  if (answer.status !== 204) throw new Error(`The event was answered with ${answer.status}`);
}

/** What the command does, in its one transaction. */
async function override({ postgres }: Bench, { id, clerkId }: Payer, isGranted: boolean): Promise<void> {
  const client = new Client({ connectionString: postgres.url });
  await client.connect();
  await client.query('begin');
  await client.query("select set_config('app.user_id', $1, true)", [id]);
  await client.query(
    `insert into entitlement_overrides (id, feature, is_granted, reason) values (gen_random_uuid(), 'export', $1, 'benchmark')
     on conflict (owner_id, feature) do update set is_granted = excluded.is_granted`,
    [isGranted],
  );
  await client.query("insert into changes (topic, key) values ('billing', $1)", [clerkId]);
  await client.query('commit');
  await client.end();
}

async function measure(bench: Bench, url: string, payer: Payer, make: Made, isGranted: boolean): Promise<number> {
  if ((await hasExport(bench, url, payer)) === isGranted) throw new Error('It is so before it is made so');
  await make(payer, isGranted);
  const acknowledged = performance.now();
  while ((await hasExport(bench, url, payer)) !== isGranted)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  return performance.now() - acknowledged;
}

async function hasExport(bench: Bench, url: string, payer: Payer): Promise<boolean> {
  const { body } = await call(`${url}/v1/me`, { headers: { authorization: `Bearer ${tokenOf(bench, payer)}` } });
  return (body.features as string[]).includes('export');
}

function tokenOf({ clerk }: Bench, { clerkId }: Pick<Payer, 'clerkId'>, seconds = 60): string {
  const now = Math.floor(Date.now() / 1000);
  return clerk.aToken({ sub: clerkId, iat: now, exp: now + seconds });
}
