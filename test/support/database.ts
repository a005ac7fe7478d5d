import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Client } from 'pg';

const ROLES = new URL('../../local/roles.sql', import.meta.url);

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

/** Migrated, or `empty`: as an operator creates it, before the first migration. */
export async function createDatabase({ empty = false } = {}): Promise<TestDatabase> {
  const postgres = JSON.parse(process.env.TEST_POSTGRES ?? '{}') as Record<'url' | 'ownerUrl' | 'adminUrl', string>;
  const name = `test_${randomBytes(6).toString('hex')}`;
  await run(
    postgres.adminUrl,
    `create database ${name} template ${empty ? 'template0' : 'gatehouse'} strategy file_copy`,
  );
  const named = (url: string) => url.replace(/[^/]*$/, name);
  const adminUrl = named(postgres.adminUrl);
  if (empty) await run(adminUrl, statementsOnSchema());
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

/** The roles are there already, for the whole server; what they may do is set in each database. */
function statementsOnSchema(): string {
  const lines = readFileSync(ROLES, 'utf8').split('\n');
  return lines.filter((line) => line.includes(' schema public')).join('\n');
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
