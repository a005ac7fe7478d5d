import { Migrator } from '@mikro-orm/migrations';
import { defineConfig, type Options } from '@mikro-orm/postgresql';
import { StoredKeys } from './src/auth/stored-keys.entity.ts';
import { readOwnerUrl } from './src/config/settings.ts';
import { Change } from './src/database/change.entity.ts';
import { migrationFiles } from './src/database/migrations.ts';
import { User } from './src/users/user.entity.ts';

/** The composition root of the data: every entity, and how the ORM talks to PostgreSQL. */
export function ormOptions(url: string): Options {
  return defineConfig({
    clientUrl: url,
    // else a database that is missing is made, and until then the ORM talks to the server's own one
    ensureDatabase: false,
    entities: [Change, StoredKeys, User],
    extensions: [Migrator],
    migrations: {
      ...migrationFiles,
      emit: 'ts',
      snapshotName: '.snapshot',
      snapshotOnMigrate: false,
      transactional: true,
      allOrNothing: true,
    },
    driverOptions: { connectionTimeoutMillis: 2000, query_timeout: 8000 },
    pool: { min: 0, max: 10 },
    forceUtcTimezone: true,
  });
}

/** For the command line, which migrates as the owner. */
export default () => ormOptions(readOwnerUrl());
