/**
 * `npm run bench`: every figure comes from rounds that take turns within this one run, after a warm-up, with the logger
 * silent; medians and ratios are printed. Absolute rates say something of the machine, the ratios of the code.
 */
import { type ChildProcess, fork } from 'node:child_process';
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

const ROUNDS = 3;
const REQUESTS = 3000;
const CONNECTIONS = 16;
const P99_ROUNDS = 1;
const P99_RATE = 500;
const P99_SECONDS = 4;

const SERVER = join(import.meta.dirname, '../../.local/bench/test/bench/server.js');

type Tokens = () => string;

try {
  await bench();
} finally {
  await closeAll();
}

async function bench(): Promise<void> {
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
  const jwtKey = { CLERK_JWT_KEY: clerk.key.publicKeyPem };
  const [plain, guard, sdk, fetching] = await Promise.all([
    startServer('plain', { ...env, ...jwtKey }),
    startServer('guard', { ...env, ...jwtKey }),
    startServer('sdk', { ...env, ...jwtKey }),
    startServer('guard', env),
  ]);
  await rates(clerk, plain, guard, sdk);
  await latencies(clerk, fetching);
}

async function rates(clerk: TestClerk, plain: string, guard: string, sdk: string): Promise<void> {
  const users = Array.from({ length: 100 }, () => clerk.aUser().id);
  const lasting = { exp: Math.floor(Date.now() / 1000) + 1800 };
  const known = cycle(users.map((sub) => clerk.aToken({ sub, ...lasting })));
  const coldTokens = (ROUNDS + 1) * REQUESTS;
  console.log(`Signing ${coldTokens} tokens, each to be seen once…`);
  const once_ = cycle(Array.from({ length: coldTokens }, (_, i) => clerk.aToken({ sub: users[i % 100], ...lasting })));
  const variants: Record<string, () => Promise<number>> = {
    'no guard': () => rate(`${plain}/bench`, known),
    'guard, tokens known': () => rate(`${guard}/bench`, known),
    'guard, every token new': () => rate(`${guard}/bench`, once_),
    'SDK authenticateRequest': () => rate(`${sdk}/bench`, known),
    'GET /v1/me, tokens known': () => rate(`${guard}/v1/me`, known),
  };
  const measured = await takeTurns(variants, ROUNDS);
  const [none = 0, warm = 0, cold = 0, theirs = 0, me = 0] = Object.values(measured).map(median);
  console.log(`\nRequests per second (median of ${ROUNDS} rounds of ${REQUESTS}, ${CONNECTIONS} connections)`);
  for (const [name, values] of Object.entries(measured))
    console.log(`  ${name.padEnd(26)} ${median(values).toFixed(0).padStart(7)}`);
  console.log('\nRatios (goal)');
  report('guard, tokens known / no guard', warm / none, 0.9);
  report('guard, every token new / SDK', cold / theirs, 3);
  report('GET /v1/me / no guard', me / none, 0.7);
}

/** Known users, while strangers bring made-up key ids and first requests: with Clerk there, and with Clerk away. */
async function latencies(clerk: TestClerk, server: string): Promise<void> {
  const lasting = { exp: Math.floor(Date.now() / 1000) + 1800 };
  const known = cycle(Array.from({ length: 100 }, () => clerk.aToken({ sub: clerk.aUser().id, ...lasting })));
  await rate(`${server}/v1/me`, known);
  const behaviours = ['answers', 'fails', 'hangs', 'refuses'] as const;
  const variants = Object.fromEntries(
    behaviours.map((behaviour) => [
      behaviour,
      async () => {
        clerk.behaviour = behaviour;
        const strangers = setInterval(() => {
          const headers = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
          void call(`${server}/v1/me`, headers(clerk.aToken()));
          void call(`${server}/v1/me`, headers(clerk.aToken({}, { kid: `ins_${Math.random()}` })));
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
  for (const [name, values] of Object.entries(measured))
    console.log(`  Clerk ${name.padEnd(20)} ${median(values).toFixed(1).padStart(7)}`);
  const base = median(measured.answers ?? []);
  console.log('\nRatios to Clerk answering (goal: at most)');
  for (const name of ['fails', 'hangs', 'refuses'])
    report(`Clerk ${name}`, median(measured[name] ?? []) / base, 1.2, true);
}

/** One round of each in turn, the first as a warm-up that does not count. */
async function takeTurns(
  variants: Record<string, () => Promise<number>>,
  rounds: number,
): Promise<Record<string, number[]>> {
  const measured: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round++) {
    process.stdout.write(`${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}\r`);
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
  return `http://127.0.0.1:${port}`;
}

function cycle(tokens: string[]): Tokens {
  let next = 0;
  return () => tokens[next++ % tokens.length] ?? '';
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function report(name: string, ratio: number, goal: number, atMost = false): void {
  const reached = atMost ? ratio <= goal : ratio >= goal;
  console.log(
    `  ${name.padEnd(34)} ${ratio.toFixed(2)}  (${atMost ? '≤' : '≥'} ${goal})  ${reached ? 'reached' : 'MISSED'}`,
  );
}
