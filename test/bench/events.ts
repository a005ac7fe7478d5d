import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { Webhook } from 'svix';
import type { LocalUser } from '../../local/clerk/people.ts';
import { SAMPLE, statementsOfAnEvent } from './event-statements.ts';
import { type Bench, line, median, report, startServer, takeTurns, WARM_UP_ROUNDS } from './kit.ts';
import { send } from './sender.ts';

const PERSON = 'user_bench';
const PEOPLE = 200;
const ROUNDS = 5;
const EVENTS = 3000;
const DATABASE_CONNECTIONS = 8;
const SENDERS = 32;
const PGBENCH_SECONDS = 3;
const P99_RATE = 200;
const P99_SECONDS = 5;

/** How many user.updated events become durable and acknowledged, beside what the database alone does of the same statements. */
export async function benchEvents(bench: Bench): Promise<void> {
  const people = Array.from({ length: PEOPLE }, (_, index) => bench.clerk.aUser({ id: personOf(index) }));
  const servers = [await startServer('app guard', bench.env), await startServer('app guard', bench.env)];
  for (const user of people) await bench.clerk.deliver(servers[0] ?? '', bench.clerk.anEvent('user.created', user));
  const statements = await statementsOfAnEvent(bench);
  const { url } = bench.postgres;
  const measured = await takeTurns(
    {
      'two servers, signed events over HTTP': () => eventsPerSecond(bench, people, servers),
      'plain pg, the same statements': () => plainPerSecond(url, statements),
      'pgbench, the same statements': async () => pgbenchPerSecond(url, statements),
    },
    ROUNDS,
  );
  const [http = 0, plain = 0, pgbench = 0] = Object.values(measured).map(median);
  console.log(`\nuser.updated per second, durable: ${statements.length} statements each (median of ${ROUNDS} rounds)`);
  for (const [name, values] of Object.entries(measured)) line(name, median(values).toFixed(0));
  if (pgbench > 0) {
    console.log('\nRatios (goal)');
    report('two servers / pgbench', http / pgbench, 0.35);
    line('plain pg / pgbench', (plain / pgbench).toFixed(2));
  } else console.log('  SKIPPED the ratios: there is no pgbench on this machine');
  await acknowledgements(bench, people, servers);
}

async function eventsPerSecond(bench: Bench, people: LocalUser[], servers: string[]): Promise<number> {
  const each = EVENTS / servers.length;
  const requests = servers.map((server) => signedRequests(bench, people, each, server));
  const began = performance.now();
  await Promise.all(
    servers.map((server, index) => send(server, requests[index] ?? [], { connections: SENDERS / servers.length })),
  );
  return EVENTS / ((performance.now() - began) / 1000);
}

async function acknowledgements(bench: Bench, people: LocalUser[], [server = '']: string[]): Promise<void> {
  const p99s: number[] = [];
  for (let round = 1 - WARM_UP_ROUNDS; round <= ROUNDS; round++) {
    const requests = signedRequests(bench, people, P99_RATE * P99_SECONDS, server);
    const taken = await send(server, requests, { connections: SENDERS, perSecond: P99_RATE });
    if (round > 0) p99s.push(taken.toSorted((one, other) => one - other)[Math.floor(taken.length * 0.99)] ?? 0);
  }
  console.log(`\nAcknowledgement at ${P99_RATE} events a second to one server, in ms (goal: at most)`);
  report('p99', median(p99s), 100, true);
}

/** Each a newer word on one of these people, signed beforehand. */
function signedRequests({ clerk }: Bench, people: LocalUser[], amount: number, server: string): Buffer[] {
  const webhook = new Webhook(clerk.webhookSecret);
  return Array.from({ length: amount }, (_, index) => {
    const user = people[index % people.length] as LocalUser;
    user.updated_at = laterTime();
    const [id, at] = [`msg_${randomBytes(14).toString('hex')}`, new Date()];
    const body = JSON.stringify(clerk.anEvent('user.updated', user));
    const head = [
      'POST /webhooks/clerk HTTP/1.1',
      `host: ${new URL(server).host}`,
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
      `svix-id: ${id}`,
      `svix-timestamp: ${Math.floor(at.getTime() / 1000)}`,
      `svix-signature: ${webhook.sign(id, at, body)}`,
    ];
    return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
  });
}

/** Without HTTP, Nest or ORM. */
async function plainPerSecond(url: string, statements: string[]): Promise<number> {
  const clients = Array.from({ length: DATABASE_CONNECTIONS }, () => new Client({ connectionString: url }));
  await Promise.all(clients.map((client) => client.connect()));
  let left = EVENTS;
  const run = randomBytes(6).toString('hex');
  const began = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      while (left > 0) {
        const event = left--;
        const filled = (sql: string) =>
          sql
            .replaceAll(SAMPLE.id, `msg_${run}${event}`)
            .replaceAll(SAMPLE.person, personOf(event % PEOPLE))
            .replaceAll(String(SAMPLE.time), String(laterTime()));
        for (const sql of statements) await client.query(filled(sql));
      }
    }),
  );
  const rate = EVENTS / ((performance.now() - began) / 1000);
  await Promise.all(clients.map((client) => client.end()));
  return rate;
}

/** 0 where there is no pgbench. */
function pgbenchPerSecond(url: string, statements: string[]): number {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-pgbench-'));
  try {
    const script = join(folder, 'event.sql');
    writeFileSync(script, pgbenchScript(statements));
    const { pathname, port, username, password } = new URL(url);
    const work = ['-n', '-c', String(DATABASE_CONNECTIONS), '-j', '2', '-T', String(PGBENCH_SECONDS), '-f', script];
    const values = ['-D', `time=${laterTime()}`, '-D', `run=${Date.now()}`];
    const where = ['-h', '127.0.0.1', '-p', port, '-U', username, pathname.slice(1)];
    const { status, stdout, stderr, error } = spawnSync('pgbench', [...work, ...values, ...where], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, PGPASSWORD: password },
    });
    if (error) return 0;
    const rate = Number(/tps = ([\d.]+)/.exec(stdout)?.[1]);
    if (status !== 0 || !rate || /failed transactions: [1-9]/.test(stdout))
      throw new Error(`pgbench failed: ${stdout}${stderr}`);
    latest += PGBENCH_SECONDS * 100_000;
    return rate;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Another event, and a newer time, in each transaction; each connection has people of its own. */
function pgbenchScript(statements: string[]): string {
  const filled = statements.map((sql) =>
    sql
      .replaceAll(SAMPLE.id, 'msg_:run:client_id:time')
      .replaceAll(SAMPLE.person, `${PERSON}:person`)
      .replaceAll(String(SAMPLE.time), ' :time')
      .replaceAll(/\s+/g, ' '),
  );
  const each = PEOPLE / DATABASE_CONNECTIONS;
  const set = `\\set time :time + 1\n\\set person 100 + :client_id * ${each} + random(0, ${each - 1})`;
  return `${set}\n${filled.map((sql) => `${sql};`).join('\n')}\n`;
}

/** Each newer than the last, whoever asks: an event that is not would change nothing. */
let latest = SAMPLE.time - 86_400_000;
function laterTime(): number {
  return ++latest;
}

function personOf(index: number): string {
  return `${PERSON}${100 + index}`;
}
