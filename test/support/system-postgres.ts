import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from '../../local/ports.ts';
import { onClose } from './closing.ts';

const ROLES = new URL('../../local/roles.sql', import.meta.url);
/** Where Debian and its like keep each version. */
const VERSIONS = '/usr/lib/postgresql';
const NEEDED = ['initdb', 'pg_ctl', 'postgres', 'pg_dump', 'pg_restore'];
const NOBODY = 65_534;
const AS_NOBODY = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};

/** The newest PostgreSQL of this machine that has server and pg_dump; the npm package has no pg_dump. */
export const systemPostgres = (existsSync(VERSIONS) ? readdirSync(VERSIONS) : [])
  .toSorted((a, b) => Number(b) - Number(a))
  .map((version) => join(VERSIONS, version, 'bin'))
  .find((bin) => NEEDED.every((name) => existsSync(join(bin, name))));

/** A server of the machine's own PostgreSQL with the roles of Gatehouse, all without a password on the loopback. */
export class SystemPostgres {
  readonly #bin: string;
  readonly #port: number;

  private constructor(bin: string, port: number) {
    this.#bin = bin;
    this.#port = port;
  }

  /** `configure` may change the files of the server before it starts, and answers further settings. */
  static async start(bin: string, configure: (data: string) => string[] = () => []): Promise<SystemPostgres> {
    const server = new SystemPostgres(bin, await freePort());
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-backup-'));
    server.own(folder);
    const data = join(folder, 'data');
    server.run('initdb', ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']);
    const settings = ['listen_addresses=127.0.0.1', `port=${server.#port}`, 'unix_socket_directories=', 'fsync=off'];
    const options = [...settings, ...configure(data)].map((setting) => `-c ${setting}`).join(' ');
    server.run('pg_ctl', ['start', '-s', '-w', '-D', data, '-l', join(folder, 'log'), '-o', options]);
    onClose(async () => {
      server.run('pg_ctl', ['stop', '-s', '-w', '-m', 'immediate', '-D', data]);
      rmSync(folder, { recursive: true });
    });
    return server;
  }

  url(role: string, database: string): string {
    return `postgres://${role}@127.0.0.1:${this.#port}/${database}`;
  }

  /** An empty database; the first time with the roles, later with what they may do in it. */
  async createDatabase(name: string): Promise<void> {
    const known = await this.query('postgres', "select from pg_roles where rolname = 'gatehouse'");
    await this.query('postgres', `create database ${name}`);
    const lines = readFileSync(ROLES, 'utf8').split('\n');
    await this.query(name, lines.filter((line) => known.length === 0 || line.includes(' schema public')).join('\n'));
  }

  /** The rows of the last statement. */
  async query<Row extends object>(database: string, sql: string, role = 'postgres'): Promise<Row[]> {
    const client = new Client({ connectionString: this.url(role, database) });
    await client.connect();
    try {
      const results = [await client.query<Row>(sql)].flat();
      return results.at(-1)?.rows ?? [];
    } finally {
      await client.end();
    }
  }

  /** The commands may write there; they do not run as root. */
  own(folder: string): void {
    chmodSync(folder, 0o700);
    if (AS_NOBODY.uid) chownSync(folder, NOBODY, NOBODY);
  }

  /** Throws with what the command said. */
  run(command: string, args: string[]): void {
    const { status, stderr, error } = spawnSync(join(this.#bin, command), args, {
      encoding: 'utf8',
      cwd: '/',
      env: { LC_ALL: 'C' },
      ...AS_NOBODY,
      stdio: args[0] === 'start' ? 'ignore' : 'pipe',
    });
    if (status !== 0) throw new Error(`${command}: ${error?.message ?? ''}${stderr ?? ''}`);
  }
}
