import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

/** A migrated database of its own, cloned in milliseconds. */
export interface TestDatabase {
  /** The runtime role. */
  url: string;
  ownerUrl: string;
  /** Superuser, for what only an operator may do. */
  adminUrl: string;
  /** Runs SQL as the superuser. */
  query<Row extends object>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  /** Ends every connection and lets none in until it is called again with false. */
  refuse(refused: boolean): Promise<void>;
}

/** `template` is `gatehouse`, which is migrated, or `template1`, which is empty. */
export async function createDatabase(): Promise<TestDatabase> {
  const postgres = JSON.parse(process.env.TEST_POSTGRES ?? '{}') as Record<'url' | 'ownerUrl' | 'adminUrl', string>;
  const name = `test_${randomBytes(6).toString('hex')}`;
  await run(postgres.adminUrl, `create database ${name} template gatehouse strategy file_copy`);
  const named = (url: string) => url.replace(/[^/]*$/, name);
  const adminUrl = named(postgres.adminUrl);
  return {
    url: named(postgres.url),
    ownerUrl: named(postgres.ownerUrl),
    adminUrl,
    query: (sql, parameters) => run(adminUrl, sql, parameters),
    refuse: async (refused) => {
      await run(postgres.adminUrl, `alter database ${name} with allow_connections ${!refused}`);
      if (refused)
        await run(postgres.adminUrl, 'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [
          name,
        ]);
    },
  };
}

async function run<Row extends object>(url: string, sql: string, parameters: unknown[] = []): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, parameters)).rows;
  } finally {
    await client.end();
  }
}
