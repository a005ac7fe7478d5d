import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const SERVER = join(import.meta.dirname, 'server.ts');
const POLL_MS = 50;
const PAUSE_MS = 500;

/** A server that is started anew whenever it ends, on the same port. */
export class Survivor {
  readonly url: string;
  kills = 0;
  /** Ends that nobody wanted. */
  failures = 0;
  readonly #dist: string;
  readonly #env: Record<string, string>;
  readonly #log: WriteStream;
  #child!: ChildProcess;
  #isClosing = false;

  /** `log`: the file to which it writes. */
  constructor(dist: string, env: Record<string, string>, log: string) {
    this.url = `http://127.0.0.1:${env.PORT}`;
    this.#dist = dist;
    this.#env = { PATH: process.env.PATH ?? '', ...env };
    this.#log = createWriteStream(log, { flags: 'a' });
    this.#start();
  }

  kill(): void {
    this.kills += 1;
    this.#child.kill('SIGKILL');
  }

  async ready(signal: AbortSignal): Promise<void> {
    while (!(await this.#isReady())) {
      signal.throwIfAborted();
      if (this.failures > 0) throw new Error('The server ends by itself; --log keeps what it says');
      await pause(POLL_MS);
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    const ended = once(this.#child, 'exit');
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || !this.#child.kill('SIGKILL')) return;
    await ended;
  }

  #start(): void {
    this.#child = spawn(process.execPath, [SERVER, this.#dist], { env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.pipe(this.#log, { end: false });
    this.#child.stderr?.pipe(this.#log, { end: false });
    this.#child.once('exit', (_code, signal) => {
      if (this.#isClosing) return;
      if (signal === 'SIGKILL') this.#start();
      else this.#startLater();
    });
  }

  #startLater(): void {
    this.failures += 1;
    setTimeout(() => this.#isClosing || this.#start(), PAUSE_MS);
  }

  async #isReady(): Promise<boolean> {
    return fetch(`${this.url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  }
}
