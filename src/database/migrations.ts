import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MikroORM, type Options } from '@mikro-orm/postgresql';
import { Client, type ClientConfig } from 'pg';
import { endClient } from './end-client.ts';

const FOLDER = new URL('./migrations/', import.meta.url);
const LOCK = 'gatehouse.migrations';

/** Where the ORM finds migrations: the sources, or beside this file once compiled. */
export const migrationFiles = {
  path: fileURLToPath(FOLDER),
  glob: import.meta.url.endsWith('.js') ? '!(*.d).js' : '!(*.d).ts',
};

/** Names of the migrations that the code has and the database does not. Needs SELECT on the ORM's table alone. */
export async function pendingMigrations(query: (sql: string) => Promise<{ name: string }[]>): Promise<string[]> {
  const known = readdirSync(FOLDER)
    .map((file) => /^(Migration\w+)\.(?:js|ts)$/.exec(file)?.[1])
    .filter((name): name is string => name !== undefined);
  const executed = new Set((await query('select name from mikro_orm_migrations')).map(({ name }) => name));
  return known.filter((name) => !executed.has(name)).toSorted();
}

/** The database cannot be reached, or lets this role not in. */
export class NoConnectionError extends Error {
  override readonly name = 'NoConnectionError';
}

/** Applies what is pending, with the owner's options, and answers its names; processes that start together take turns. */
export function migrate(options: Options): Promise<string[]> {
  return withMigrator(options, async (migrator) => (await migrator.up()).map(({ name }) => name));
}

/** Works with the migrations alone; `onWait` is told when another process is at them. Throws a NoConnectionError. */
export async function withMigrator<T>(
  options: Options,
  work: (migrator: MikroORM['migrator']) => Promise<T>,
  onWait?: () => void,
): Promise<T> {
  // a migration takes as long as it takes
  const driverOptions: ClientConfig = { ...options.driverOptions, connectionTimeoutMillis: 0, query_timeout: 0 };
  // with an `ssl` of its own: pg hides the client's key in what it is given, and the ORM's copy would lack it
  const ssl = typeof driverOptions.ssl === 'object' ? { ...driverOptions.ssl } : driverOptions.ssl;
  const lock = new Client({ ...driverOptions, ssl, connectionTimeoutMillis: 2000 });
  // a lost connection fails the query that waits; without a listener it would also end the process
  lock.on('error', () => undefined);
  await lock.connect().catch((error: NodeJS.ErrnoException) => {
    // a name with several addresses fails without a message
    throw new NoConnectionError(`no connection to the database: ${error.message || error.code}`, { cause: error });
  });
  try {
    const { rows } = await lock.query<{ mine: boolean }>('select pg_try_advisory_lock(hashtext($1)) as mine', [LOCK]);
    if (!rows[0]?.mine) {
      onWait?.();
      await lock.query('select pg_advisory_lock(hashtext($1))', [LOCK]);
    }
    const orm = await MikroORM.init({
      ...options,
      driverOptions,
      pool: { max: 1 },
      migrations: { ...options.migrations, silent: true },
    });
    try {
      return await work(orm.migrator);
    } finally {
      await orm.close();
    }
  } finally {
    await endClient(lock);
  }
}
