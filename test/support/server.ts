import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePort } from '../../local/ports.ts';
import { onClose } from './closing.ts';
import { type Answer, type Call, call } from './http.ts';

const MAIN = join(import.meta.dirname, '../../dist/src/main.js');

/** The built server as a process of its own, as in production. */
export class ServerProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  output = '';

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#closed = once(child, 'close');
    this.url = url;
    child.stdout?.on('data', (chunk) => (this.output += String(chunk)));
    child.stderr?.on('data', (chunk) => (this.output += String(chunk)));
  }

  /** Starts it; does not wait. */
  static async spawn(env: Record<string, string>, main = MAIN): Promise<ServerProcess> {
    const port = env.PORT ?? String(await freePort());
    const child = spawn(process.execPath, [main], { env: { PATH: process.env.PATH ?? '', ...env, PORT: port } });
    const server = new ServerProcess(child, `http://127.0.0.1:${port}`);
    onClose(() => server.stop('SIGKILL'));
    return server;
  }

  static async start(env: Record<string, string>): Promise<ServerProcess> {
    const server = await ServerProcess.spawn(env);
    await server.until('/readyz', 200);
    return server;
  }

  call(path: string, options?: Call): Promise<Answer> {
    return call(`${this.url}${path}`, options);
  }

  as(token: string, path: string): Promise<Answer> {
    return this.call(path, { headers: { authorization: `Bearer ${token}` } });
  }

  /** Waits until the path answers with that status. */
  async until(path: string, status: number): Promise<void> {
    for (;;) {
      if (!this.isRunning) throw new Error(`The server ended:\n${this.output}`);
      const answer = await this.call(path).catch(() => undefined);
      if (answer?.status === status) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** The exit code, or the signal, once it has ended and all its output is there. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    await this.#closed;
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    this.#child.kill(signal);
    return this.ended();
  }
}
