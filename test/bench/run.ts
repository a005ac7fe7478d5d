/**
 * `npm run bench`: every figure comes from rounds that take turns within this one run, after a warm-up, with the logger
 * silent; medians and ratios are printed. Absolute rates say something of the machine, the ratios of the code.
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import autocannon from 'autocannon';
import { freePort } from '../../local/ports.ts';
import { startPostgres } from '../../local/postgres.ts';
import { ormOptions } from '../../mikro-orm.config.ts';
import { migrate } from '../../src/database/migrations.ts';
import { TestClerk } from '../support/clerk.ts';
import { closeAll, onClose } from '../support/closing.ts';
import { call } from '../support/http.ts';

const WARM_UP_ROUNDS = 3;
const ROUNDS = 9;
const REQUESTS = 3000;
const CONNECTIONS = 64;
const P99_ROUNDS = 5;
const P99_RATE = 500;
const P99_SECONDS = 3;

const LOAD_CORE = 0;
const SERVER_CORE = 1;

const SERVER = join(import.meta.dirname, '../../.local/bench/test/bench/server.js');

type Tokens = () => string;

try {
  await bench();
} finally {
  await closeAll();
}

async function bench(): Promise<void> {
  pin(process.pid, LOAD_CORE);
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
  chmodSync(folder, 0o755);
  onClose(async () => rmSync(folder, { recursive: true, force: true }));
  const postgres = await startPostgres(folder);
  onClose(() => postgres.stop({ force: true }));
  await migrate(ormOptions(postgres.ownerUrl));
  const clerk = await TestClerk.start();
  const env = {
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'silent',
    DATABASE_URL: postgres.url,
    ...clerk.env,
  };
  await rates(clerk, (variant) => startServer(variant, { ...env, CLERK_JWT_KEY: clerk.key.publicKeyPem }));
  await latencies(clerk, await startServer('app guard', env));
}

/** A process for each variant, so that each is as warm as the others. */
async function rates(clerk: TestClerk, start: (variant: string) => Promise<string>): Promise<void> {
  const users = Array.from({ length: 100 }, () => clerk.aUser().id);
  const lasting = { exp: Math.floor(Date.now() / 1000) + 1800 };
  const known = cycle(users.map((sub) => clerk.aToken({ sub, ...lasting })));
  const amount = (WARM_UP_ROUNDS + ROUNDS) * REQUESTS;
  console.log(`Signing ${amount} tokens, each to be seen once…`);
  const unseen = cycle(Array.from({ length: amount }, (_, i) => clerk.aToken({ sub: users[i % 100], ...lasting })));
  const variants: [name: string, server: string, path: string, tokens: Tokens][] = [
    ['bare route, no guard', await start('bare none'), '/bench', known],
    ['bare route, guard, tokens known', await start('bare guard'), '/bench', known],
    ['bare route, guard, every token new', await start('bare guard'), '/bench', unseen],
    ['bare route, SDK authenticateRequest', await start('bare sdk'), '/bench', known],
    ['application, no guard', await start('app none'), '/bench', known],
    ['application, guard, tokens known', await start('app guard'), '/bench', known],
    ['application, GET /v1/me', await start('app guard'), '/v1/me', known],
  ];
  const measures = variants.map(([name, server, path, tokens]) => [name, () => rate(server + path, tokens)] as const);
  const measured = await takeTurns(Object.fromEntries(measures), ROUNDS);
  const [bare = 0, bareWarm = 0, cold = 0, sdk = 0, none = 0, warm = 0, me = 0] = Object.values(measured).map(median);
  console.log(`\nRequests per second (median of ${ROUNDS} rounds of ${REQUESTS}, ${CONNECTIONS} connections)`);
  for (const [name, values] of Object.entries(measured)) line(name, median(values).toFixed(0));
  console.log('\nRatios (goal)');
  report('application: guard / no guard', warm / none, 0.9);
  report('application: GET /v1/me / no guard', me / none, 0.7);
  report('bare: every token new / SDK', cold / sdk, 3);
  line('bare: guard / no guard', (bareWarm / bare).toFixed(2));
}

/** Known users, while strangers bring made-up key ids and first requests: with Clerk there, and with Clerk away. */
async function latencies(clerk: TestClerk, server: string): Promise<void> {
  const lasting = { exp: Math.floor(Date.now() / 1000) + 1800 };
  const known = cycle(Array.from({ length: 100 }, () => clerk.aToken({ sub: clerk.aUser().id, ...lasting })));
  // signed beforehand: the load shares its process with this Clerk
  const newcomers = cycle(Array.from({ length: 1000 }, () => clerk.aToken(lasting)));
  const madeUp = cycle(Array.from({ length: 1000 }, (_, i) => clerk.aToken(lasting, { kid: `ins_${i}` })));
  await rate(`${server}/v1/me`, known);
  const behaviours = ['answers', 'fails', 'hangs', 'refuses'] as const;
  const variants = Object.fromEntries(
    behaviours.map((behaviour) => [
      behaviour,
      async () => {
        clerk.behaviour = behaviour;
        const strangers = setInterval(() => {
          const headers = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
          for (const token of [newcomers(), madeUp()])
            call(`${server}/v1/me`, headers(token)).catch((error: Error) =>
              console.error(`a stranger: ${error.message}`),
            );
        }, 100);
        const p99 = await p99Of(`${server}/v1/me`, known);
        clearInterval(strangers);
        return p99;
      },
    ]),
  );
  const measured = await takeTurns(variants, P99_ROUNDS);
  console.log(
    `\np99 of GET /v1/me for known users at ${P99_RATE}/s, in ms (median of ${P99_ROUNDS} rounds of ${P99_SECONDS} s)`,
  );
  for (const [name, values] of Object.entries(measured)) line(`Clerk ${name}`, median(values).toFixed(1));
  const base = median(measured.answers ?? []);
  console.log('\nRatios to Clerk answering (goal: at most)');
  for (const name of ['fails', 'hangs', 'refuses'])
    report(`Clerk ${name}`, median(measured[name] ?? []) / base, 1.2, true);
}

/** One round of each in turn; the first ones warm up and do not count. */
async function takeTurns(
  variants: Record<string, () => Promise<number>>,
  rounds: number,
): Promise<Record<string, number[]>> {
  const measured: Record<string, number[]> = {};
  for (let round = 1 - WARM_UP_ROUNDS; round <= rounds; round++) {
    process.stdout.write(`${round < 1 ? 'warm-up' : `round ${round} of ${rounds}`}   \r`);
    for (const [name, measure] of Object.entries(variants)) {
      const value = await measure();
      if (round > 0) (measured[name] ??= []).push(value);
    }
  }
  return measured;
}

/** Answers per second, until the last one: autocannon itself ends on whole seconds. */
async function rate(url: string, tokens: Tokens): Promise<number> {
  const began = performance.now();
  let lastAt = began;
  await load(url, tokens, { amount: REQUESTS }, () => (lastAt = performance.now()));
  return REQUESTS / ((lastAt - began) / 1000);
}

async function p99Of(url: string, tokens: Tokens): Promise<number> {
  const { latency } = await load(url, tokens, { duration: P99_SECONDS, overallRate: P99_RATE });
  return latency.p99;
}

async function load(
  url: string,
  tokens: Tokens,
  options: Partial<autocannon.Options>,
  onResponse = () => {},
): Promise<autocannon.Result> {
  const setupRequest = (request: autocannon.Request) => ({
    ...request,
    headers: { authorization: `Bearer ${tokens()}` },
  });
  const everything = { url, connections: CONNECTIONS, requests: [{ setupRequest }], ...options };
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    autocannon(everything, (error, ended) => (error ? reject(error as Error) : resolve(ended))).on(
      'response',
      onResponse,
    );
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${url}: ${result.non2xx} refused, ${result.errors} failed`);
  return result;
}

async function startServer(variant: string, env: Record<string, string>): Promise<string> {
  const port = await freePort();
  const child: ChildProcess = fork(SERVER, [variant], { env: { PATH: process.env.PATH, ...env, PORT: String(port) } });
  onClose(async () => {
    child.kill();
    await once(child, 'exit');
  });
  await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error(`${variant} did not start`))),
  ]);
  pin(child.pid, SERVER_CORE);
  return `http://127.0.0.1:${port}`;
}

/** The load on one core and the servers on another, where the system can: else their places decide, not the code. */
function pin(pid: number | undefined, core: number): void {
  spawnSync('taskset', ['-a', '-c', '-p', String(core), String(pid)]);
}

function cycle(tokens: string[]): Tokens {
  let next = 0;
  return () => tokens[next++ % tokens.length] ?? '';
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function line(name: string, value: string): void {
  console.log(`  ${name.padEnd(36)} ${value.padStart(7)}`);
}

function report(name: string, ratio: number, goal: number, atMost = false): void {
  const reached = atMost ? ratio <= goal : ratio >= goal;
  console.log(
    `  ${name.padEnd(36)} ${ratio.toFixed(2)}  (${atMost ? '≤' : '≥'} ${goal})  ${reached ? 'reached' : 'MISSED'}`,
  );
}
