/**
 * Whether an event counts exactly once, whatever dies: `npm run drill:webhooks`. Signed events, with duplicates and in no
 * order, go to two servers on one PostgreSQL, each until a 2xx, while servers are killed and the database crashes once. Then
 * the tables are compared with what they must hold. Prints counts, and ends with 1 when a row is lost, doubled or wrong.
 * Nothing stays behind.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { deliveriesOf, drillEvents } from '../test/drill/events.ts';
import { Faults } from '../test/drill/faults.ts';
import { House } from '../test/drill/house.ts';
import { Random } from '../test/drill/random.ts';
import { Sender } from '../test/drill/sender.ts';
import { type Differences, differences, type Row, TABLES } from '../test/drill/tables.ts';
import { truthOf } from '../test/drill/truth.ts';

const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '10000' },
    kills: { type: 'string', default: '40' },
    /** The same events, and the same plan of faults. */
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    /** The deliveries end by then. */
    minutes: { type: 'string', default: '10' },
    /** How many seconds to wait for the jobs: those of a killed process run again after some 45. */
    jobs: { type: 'string', default: '180' },
    /** The build that the servers run. */
    dist: { type: 'string', default: join(import.meta.dirname, '../dist') },
    /** Where the servers' logs are kept. */
    log: { type: 'string' },
  },
});
const POLL_MS = 200;
const SHOWN = 5;
const WAITING = `
  select count(*)::int as n from pgboss.job where name like 'clerk.%' and state in ('created', 'retry', 'active')`;

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => stop.abort());
const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(Number(options.minutes) * 60_000)]);
const random = new Random(Number(options.seed));
const events = drillEvents(random, Number(options.events));
const deliveries = deliveriesOf(random, events);
const house = new House();
try {
  await house.open(options.dist, options.log);
  await drill();
} finally {
  await house.close();
}

async function drill(): Promise<void> {
  console.log(`seed ${options.seed}: ${events.length} events, ${deliveries.length} deliveries`);
  await Promise.all(house.servers.map((server) => server.ready(signal)));
  const urls = house.servers.map(({ url }) => url);
  const sender = new Sender({ urls, secret: house.secret, random: new Random(random.below(2 ** 31)), signal });
  const faults = new Faults(house, random, deliveries.length, Number(options.kills));
  const began = performance.now();
  await Promise.all([sender.deliver(deliveries), faults.run(sender)]);
  sayHowItWent(sender, faults, (performance.now() - began) / 1000);
  const waiting = await waitForJobs();
  console.log(`jobs that still wait: ${waiting}`);
  await compare({ lost: [...faults.missing], doubled: [], wrong: [] });
}

function sayHowItWent({ delivered, answers }: Sender, { awayMs, missing }: Faults, seconds: number): void {
  const sum = (figure: 'kills' | 'failures') => house.servers.reduce((total, server) => total + server[figure], 0);
  const perSecond = (deliveries.length / seconds).toFixed(0);
  console.log(
    `delivered: ${delivered} in ${seconds.toFixed(1)} s, ${perSecond}/s; attempts: ${JSON.stringify(answers)}`,
  );
  console.log(`kills: ${sum('kills')}; servers that ended by themselves: ${sum('failures')}`);
  console.log(`crashes of the database: 1, away for ${awayMs} ms and its recovery`);
  console.log(`acknowledged before a crash and missing after it: ${missing.size}`);
}

async function waitForJobs(): Promise<number> {
  const deadline = Date.now() + Number(options.jobs) * 1000;
  for (;;) {
    const [{ n } = { n: 0 }] = await house.query<{ n: number }>(WAITING);
    if (n === 0 || Date.now() > deadline || stop.signal.aborted) return n;
    await pause(POLL_MS);
  }
}

async function compare(all: Differences): Promise<void> {
  for (const [table, expected] of Object.entries(truthOf(events))) {
    const rows = await house.query<Row>(TABLES[table as keyof typeof TABLES]);
    const found = differences(expected, rows);
    console.log(`${table}: ${rows.length} rows of ${expected.size}`);
    for (const kind of ['lost', 'doubled', 'wrong'] as const) {
      for (const row of found[kind].slice(0, SHOWN)) console.error(`  ${kind}: ${row}`);
      all[kind].push(...found[kind]);
    }
  }
  const { lost, doubled, wrong } = all;
  console.log(`lost: ${lost.length}, doubled: ${doubled.length}, wrong: ${wrong.length}`);
  process.exitCode = lost.length + doubled.length + wrong.length > 0 ? 1 : 0;
}
