import { Migrator } from '@mikro-orm/migrations';
import { defineConfig, type Options } from '@mikro-orm/postgresql';
import { KnownKey } from './src/auth/known-key.entity.ts';
import { Revocation } from './src/auth/revocation.entity.ts';
import { StoredKeys } from './src/auth/stored-keys.entity.ts';
import { EntitlementOverride } from './src/billing/entitlement-override.entity.ts';
import { PayerReference } from './src/billing/payer-reference.entity.ts';
import { PaymentAttempt } from './src/billing/payment-attempt.entity.ts';
import { Plan } from './src/billing/plan.entity.ts';
import { Reread } from './src/billing/reread.entity.ts';
import { Subscription } from './src/billing/subscription.entity.ts';
import { SubscriptionItem } from './src/billing/subscription-item.entity.ts';
import { UsageCounter } from './src/billing/usage.entity.ts';
import { UsageKey } from './src/billing/usage-key.entity.ts';
import { UsageReservation } from './src/billing/usage-reservation.entity.ts';
import { WaitingWord } from './src/billing/waiting-word.entity.ts';
import { Instance } from './src/clerk/instance.entity.ts';
import { ReconcileProgress } from './src/clerk/reconcile-progress.entity.ts';
import { databaseConnection } from './src/config/database-address.ts';
import { environment, readOwnerUrl } from './src/config/settings.ts';
import { Change } from './src/database/change.entity.ts';
import { migrationFiles } from './src/database/migrations.ts';
import { tendPool, whenUnreachable } from './src/database/pool.ts';
import { Project } from './src/projects/project.entity.ts';
import { Invitation } from './src/tenants/invitation.entity.ts';
import { Membership } from './src/tenants/membership.entity.ts';
import { Tenant } from './src/tenants/tenant.entity.ts';
import { TenantIntent } from './src/tenants/tenant-intent.entity.ts';
import { User } from './src/users/user.entity.ts';
import { InboxEvent } from './src/webhooks/inbox-event.entity.ts';

/** The composition root of the data: every entity, and how the ORM talks to PostgreSQL. */
export function ormOptions(url: string): Options {
  const connection = databaseConnection(url);
  const { host, port, user, password, database: dbName } = connection;
  return defineConfig({
    // not as an address, which the ORM would read in its own way
    host,
    port,
    user,
    password,
    dbName,
    // else a database that is missing is made, and until then the ORM talks to the server's own one
    ensureDatabase: false,
    entities: [
      Change,
      EntitlementOverride,
      InboxEvent,
      Instance,
      Invitation,
      KnownKey,
      Membership,
      PayerReference,
      PaymentAttempt,
      Plan,
      Project,
      ReconcileProgress,
      Reread,
      Revocation,
      StoredKeys,
      Subscription,
      SubscriptionItem,
      Tenant,
      TenantIntent,
      UsageCounter,
      UsageKey,
      UsageReservation,
      User,
      WaitingWord,
    ],
    extensions: [Migrator],
    migrations: {
      ...migrationFiles,
      emit: 'ts',
      snapshotName: '.snapshot',
      snapshotOnMigrate: false,
      transactional: true,
      allOrNothing: true,
    },
    // functions are written by hand in migrations: it would drop those that it is not told of
    schemaGenerator: { ignoreSchema: ['pgboss'], ignoreRoutines: true },
    driverOptions: {
      ...connection,
      connectionTimeoutMillis: 2000,
      query_timeout: 8000,
      onPoolCreated: tendPool,
    },
    // of which events take at most 6 and jobs 4, so that requests are left some
    pool: { min: 0, max: 12 },
    forceUtcTimezone: true,
  });
}

/** What the ORM hands over: a connection of its query builder, Kysely. */
interface Connection {
  executeQuery(query: { sql: string; parameters: unknown[] }): Promise<unknown>;
}

/**
 * For the role that owns the tables and migrates. Forced row policies bind it too: a statement that they would narrow
 * to nothing, and say nothing, is an error instead.
 */
export function ownerOptions(url: string): Options {
  const onCreateConnection = async (connection: unknown) => {
    await (connection as Connection).executeQuery({ sql: 'set row_security = off', parameters: [] });
  };
  return { ...ormOptions(url), onCreateConnection };
}

/** For the command line, which migrates. It puts its help and a stack around what is thrown: what can be mended ends it. */
export default () => {
  try {
    const { driverOptions, ...options } = ownerOptions(readOwnerUrl());
    return { ...options, driverOptions: { ...driverOptions, onPoolCreated } };
  } catch (error) {
    return endWith((error as Error).message);
  }
};

function onPoolCreated(pool: unknown): void {
  tendPool(pool);
  const setting = environment().DATABASE_OWNER_URL ? 'DATABASE_OWNER_URL' : 'DATABASE_URL';
  whenUnreachable(pool, (reason) => endWith(`${setting}: no connection to the database: ${reason}`));
}

function endWith(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
