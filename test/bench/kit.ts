import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import autocannon from 'autocannon';
import { freePort } from '../../local/ports.ts';
import type { LocalPostgres } from '../../local/postgres.ts';
import type { TestClerk } from '../support/clerk.ts';
import { onClose } from '../support/closing.ts';

export const WARM_UP_ROUNDS = 3;
export const CONNECTIONS = 64;

const LOAD_CORE = 0;
const SERVER_CORE = 1;

const SERVER = join(import.meta.dirname, '../../.local/bench/test/bench/server.js');

export type Tokens = () => string;
/** Makes each request out of the usual one. */
export type SetupRequest = (request: autocannon.Request) => autocannon.Request;

/** What every part of the benchmark runs against; `env` are the settings of a server of it. */
export interface Bench {
  clerk: TestClerk;
  postgres: LocalPostgres;
  env: Record<string, string>;
}

/** One round of each in turn; the first ones warm up and do not count. */
export async function takeTurns(
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

/** Sends what `setupRequest` makes; whatever is refused or fails ends the benchmark. */
export async function load(
  url: string,
  setupRequest: SetupRequest,
  options: Partial<autocannon.Options>,
  onResponse = () => {},
): Promise<autocannon.Result> {
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

/** A server in a process of its own; `pinned`: on one core, the load on the other, else their places decide. */
export async function startServer(variant: string, env: Record<string, string>, place?: 'pinned'): Promise<string> {
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
  if (place) {
    pin(process.pid, LOAD_CORE);
    pin(child.pid, SERVER_CORE);
  }
  return `http://127.0.0.1:${port}`;
}

/** Where the system can. */
function pin(pid: number | undefined, core: number): void {
  spawnSync('taskset', ['-a', '-c', '-p', String(core), String(pid)]);
}

export function cycle(tokens: string[]): Tokens {
  let next = 0;
  return () => tokens[next++ % tokens.length] ?? '';
}

export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

export function line(name: string, value: string): void {
  console.log(`  ${name.padEnd(36)} ${value.padStart(7)}`);
}

export function report(name: string, ratio: number, goal: number, atMost = false): void {
  const reached = atMost ? ratio <= goal : ratio >= goal;
  console.log(
    `  ${name.padEnd(36)} ${ratio.toFixed(2)}  (${atMost ? '≤' : '≥'} ${goal})  ${reached ? 'reached' : 'MISSED'}`,
  );
}
