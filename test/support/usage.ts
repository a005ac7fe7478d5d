import { Module, type Type } from '@nestjs/common';
import { modulesOf, requestChain } from '../../src/app.module.ts';
import { defineEntitlements, type Payer, Usage } from '../../src/billing/index.ts';
import { readSettings } from '../../src/config/index.ts';
import { ENTITLEMENTS } from '../../src/entitlements.ts';
import { startApp, type TestApp } from './app.ts';
import type { TestClerk } from './clerk.ts';
import type { TestDatabase } from './database.ts';
import { aMember, meet } from './tenants.ts';
import { until } from './until.ts';

export const LIMIT = 10;

/** A meter of each kind, and each kind of limit. */
const BOOK = defineEntitlements({
  meters: {
    'projects.create': 'period',
    'reports.make': 'period',
    'files.keep': 'total',
    'mails.send': 'period',
    'pages.read': 'period',
    'rockets.launch': 'period',
  },
  defaults: { tenant: 'free_org', user: 'free_user' },
  plans: {
    free_org: {
      features: [],
      limits: {
        'projects.create': { hard: LIMIT },
        'reports.make': { hard: LIMIT },
        'files.keep': { hard: LIMIT },
        'mails.send': { soft: LIMIT },
        'pages.read': 'unlimited',
      },
    },
    free_user: { features: [], limits: { 'reports.make': { hard: 2 } } },
  },
});

/** With the meters of the real book too, which the application’s own routes consume. */
export const withRealMeters = (book: typeof ENTITLEMENTS): typeof ENTITLEMENTS => ({
  ...book,
  meters: { ...ENTITLEMENTS.meters, ...book.meters },
});

/** The application with that book and these controllers. */
export function startWithBook(
  clerk: TestClerk,
  {
    controllers = [] as Type[],
    chain = requestChain,
    database = undefined as TestDatabase | undefined,
    more = {},
  } = {},
): Promise<TestApp> {
  return startApp(clerk, more, database, (env) => {
    @Module({ imports: modulesOf(readSettings(env), withRealMeters(BOOK)), providers: chain, controllers })
    class TestModule {}
    return TestModule;
  });
}

/** A tenant that has met the application, with somebody of it. */
export async function aPayingTenant(clerk: TestClerk, app: TestApp): Promise<{ payer: Payer; token: () => string }> {
  const { token } = aMember(clerk, undefined, 'org:admin');
  const { tenant } = await meet(app, token());
  if (!tenant) throw new Error('There is no tenant');
  return { payer: { kind: 'tenant', id: tenant.id, clerkId: tenant.clerkId }, token };
}

/** A user without a tenant. */
export async function aPayingUser(clerk: TestClerk, app: TestApp): Promise<{ payer: Payer; token: () => string }> {
  const { id } = clerk.aUser();
  const token = () => clerk.aToken({ sub: id });
  const { user } = await meet(app, token());
  return { payer: { kind: 'user', id: user.id, clerkId: user.clerkId }, token };
}

export const usageIn = (app: TestApp): Usage => app.app.get(Usage, { strict: false });

/** What the tables have, whoever asks: what counts, and how much of it is reserved. */
export async function counted(database: TestDatabase, { id }: Pick<Payer, 'id'>) {
  const usage = await database.query<{ meter: string; used: string }>(
    'select meter, used from usage where owner_id = $1 order by meter, period_start',
    [id],
  );
  const [reserved] = await database.query<{ amount: string }>(
    'select coalesce(sum(amount), 0) as amount from usage_reservations where owner_id = $1',
    [id],
  );
  return {
    used: Object.fromEntries(usage.map(({ meter, used }) => [meter, Number(used)])),
    reserved: Number(reserved?.amount),
  };
}

/** As if what is reserved had been so for long. */
export async function lapse(database: TestDatabase): Promise<void> {
  await database.query(
    `with reserved as (update usage_reservations set expires_at = now() - interval '1 ms')
     update usage set lapses_at = now() - interval '1 ms' where lapses_at is not null`,
  );
}

/** Waits until a statement with that text waits for a lock of another. */
export async function isLocked(database: TestDatabase, text: string): Promise<void> {
  const sql =
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and strpos(query, $1) > 0";
  await until(async () => (await database.query(sql, [text])).length > 0);
}

/** An operator's word on how many projects that payer may create in a month; null: without a limit. For who starts after it. */
export async function allowProjects(database: TestDatabase, { id }: Pick<Payer, 'id'>, limit: number | null) {
  await database.query(
    `insert into entitlement_overrides (id, owner_id, feature, is_granted, "limit", reason)
     values (gen_random_uuid(), $1, 'projects.create', true, $2, 'a test')`,
    [id, limit],
  );
}

export async function projectsOf(database: TestDatabase, { id }: Pick<Payer, 'id'>): Promise<number> {
  const [row] = await database.query<{ count: string }>('select count(*) from projects where tenant_id = $1', [id]);
  return Number(row?.count);
}
