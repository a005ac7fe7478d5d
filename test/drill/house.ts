import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { createSigningKey } from '../../local/clerk/signing-key.ts';
import { createWebhookSecret } from '../../local/clerk/webhook-secret.ts';
import { freePort } from '../../local/ports.ts';
import { type LocalPostgres, startPostgres } from '../../local/postgres.ts';
import { ownerOptions } from '../../mikro-orm.config.ts';
import { migrate } from '../../src/database/migrations.ts';
import { INSTANCE } from './events.ts';
import { Survivor } from './survivor.ts';

const SERVERS = 2;
/** As `local/postgres.ts` has it: as root, PostgreSQL runs as nobody. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const EFFECTS = 'create table drill_effects (event_id text); grant insert on drill_effects to gatehouse';

/** A PostgreSQL that keeps what it has committed, and the servers that share it. */
export class House {
  readonly secret = createWebhookSecret();
  readonly servers: Survivor[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'gatehouse-webhook-drill-'));
  #postgres!: LocalPostgres;

  /** `dist`: the build of the servers; `log`: the file to which they write. */
  async open(dist: string, log = join(this.#folder, 'servers.log')): Promise<void> {
    chmodSync(this.#folder, 0o755);
    this.#postgres = await startPostgres(this.#folder);
    await migrate(ownerOptions(this.#postgres.ownerUrl));
    await this.query(EFFECTS);
    const env = this.#environment();
    for (let server = 0; server < SERVERS; server++)
      this.servers.push(new Survivor(dist, { ...env, PORT: String(await freePort()) }, log));
  }

  /** As the superuser. */
  async query<Row extends object>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    const client = new Client({ connectionString: this.#postgres.adminUrl.replace(/[^/]*$/, 'gatehouse') });
    await client.connect();
    try {
      return (await client.query<Row>(sql, parameters)).rows;
    } finally {
      await client.end();
    }
  }

  /** PostgreSQL ends without a checkpoint, is away for a while, and recovers on the same port. */
  async crashDatabase(awayMs: number): Promise<void> {
    await this.#control('stop', '-m', 'immediate');
    await pause(awayMs);
    await this.#control('restart', '-l', 'server.log');
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
    await this.#postgres?.stop({ force: true });
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** A restart uses the options of the first start, which PostgreSQL keeps beside its binary's path. */
  async #control(...args: string[]): Promise<void> {
    const cwd = join(this.#folder, 'data');
    const [postgres = ''] = readFileSync(join(cwd, 'postmaster.opts'), 'utf8').split(' ');
    const options = { cwd, stdio: 'ignore', ...NOBODY } as const;
    const control = spawn(join(dirname(postgres), 'pg_ctl'), [...args, '-s', '-w', '-D', cwd], options);
    const [code] = (await once(control, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`pg_ctl ${args[0]} ended with ${code}`);
  }

  /** As in production, with Clerk out of reach. */
  #environment(): Record<string, string> {
    return {
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      LOG_LEVEL: 'warn',
      DATABASE_URL: this.#postgres.url,
      CLERK_SECRET_KEY: `sk_test_${randomBytes(24).toString('hex')}`,
      CLERK_JWT_KEY: createSigningKey().publicKeyPem.replaceAll('\n', '\\n'),
      CLERK_ISSUER: 'https://clerk.example.com',
      CLERK_API_URL: 'http://127.0.0.1:9',
      CLERK_INSTANCE_ID: INSTANCE,
      CLERK_AUTHORIZED_PARTIES: 'https://app.example.com',
      CLERK_WEBHOOK_SIGNING_SECRET: this.secret,
    };
  }
}
