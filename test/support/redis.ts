import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createClient } from '@redis/client';
import { freePort } from '../../local/ports.ts';
import { onClose } from './closing.ts';

/** Whether this machine has a Redis to start; npm has none. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

/** A Redis of its own that a test may end and start again. */
export class RedisServer {
  readonly url: string;
  readonly #port: number;
  #child: ChildProcess | undefined;

  private constructor(port: number) {
    this.#port = port;
    this.url = `redis://127.0.0.1:${port}`;
  }

  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await freePort());
    onClose(() => server.stop());
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const options = ['--port', String(this.#port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    this.#child = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'ignore'] });
    for await (const chunk of this.#child.stdout ?? []) if (String(chunk).includes('Ready to accept')) break;
    this.#child.stdout?.resume();
  }

  /** At once, with all that it held. */
  async stop(): Promise<void> {
    if (!this.#child) return;
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await ended;
    this.#child = undefined;
  }

  /** It holds its connections and answers nothing, or goes on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  async do<T>(work: (client: ReturnType<typeof createClient>) => Promise<T>): Promise<T> {
    const client = createClient({ url: this.url });
    await client.connect();
    try {
      return await work(client as ReturnType<typeof createClient>);
    } finally {
      client.destroy();
    }
  }
}
