import { Migration } from '@mikro-orm/migrations';

export class Migration20261129100000 extends Migration {
  override name = 'Migration20261129100000';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "known_keys" ("hash" text not null, "proven_at" timestamptz not null, primary key ("hash"));`,
    );
    this.addSql(`create index "known_keys_proven_at_index" on "known_keys" ("proven_at");`);
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "known_keys" cascade;`);
  }
}
