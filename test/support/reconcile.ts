import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { optionsOf } from '../../src/commands/reconcile-options.ts';
import { reconcile } from '../../src/commands/reconcile-run.ts';
import { readSettings } from '../../src/config/index.ts';
import { environmentOf } from './app.ts';
import { TestClerk } from './clerk.ts';
import { ClerkProxy } from './clerk-proxy.ts';
import { createDatabase, type TestDatabase } from './database.ts';

export const RECONCILE = join(import.meta.dirname, '../../dist/src/commands/reconcile.js');

interface Finding {
  subject: string;
  kind: string;
  id: string;
}

interface Last {
  end: string;
  counts: Record<string, number>;
  subjects: Record<string, Record<string, number>>;
}

/** A Clerk, a network to it that can be meddled with, a database, and the reconcile command over them. */
export class Reconciling {
  readonly clerk: TestClerk;
  readonly proxy: ClerkProxy;
  readonly database: TestDatabase;

  private constructor(clerk: TestClerk, proxy: ClerkProxy, database: TestDatabase) {
    this.clerk = clerk;
    this.proxy = proxy;
    this.database = database;
  }

  static async start(): Promise<Reconciling> {
    const clerk = await TestClerk.start();
    return new Reconciling(clerk, await ClerkProxy.start(clerk.origin), await createDatabase());
  }

  /** The settings of a Gatehouse that reaches Clerk's API over the proxy and knows its instance. */
  environment(more: Record<string, string> = {}): Record<string, string> {
    const ours = { CLERK_API_URL: this.proxy.url, CLERK_INSTANCE_ID: this.clerk.instanceId };
    return { ...environmentOf(this.clerk, this.database), ...ours, ...more };
  }

  /** One run of the command, in this process, that is stopped by the signal or once it has said these words. */
  async run(args: string[] = [], env = this.environment(), stop: AbortSignal | string = new AbortController().signal) {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const heard = new AbortController();
    stderr.on('data', (line) => typeof stop === 'string' && String(line).includes(stop) && heard.abort());
    const signal = typeof stop === 'string' ? heard.signal : stop;
    const said = Promise.all([text(stdout), text(stderr)]);
    const code = await reconcile(readSettings(env), optionsOf(args), { stdout, stderr, signal });
    stdout.end();
    stderr.end();
    const [output, progress] = await said;
    return { code, output, progress };
  }

  /** The counts of a run, and its findings as `kind id`, in order. */
  async findings(args: string[] = [], env = this.environment()) {
    const { code, output } = await this.run(['--json', ...args], env);
    const lines = output.trim().split('\n');
    const last = JSON.parse(lines.at(-1) ?? '') as Last;
    const all = lines.slice(0, -1).map((line) => JSON.parse(line) as Finding);
    return { code, ...last, found: all.map(({ kind, id }) => `${kind} ${id}`).toSorted(), all };
  }
}
