import { Migration } from '@mikro-orm/migrations';

export class Migration20261129140000 extends Migration {
  override name = 'Migration20261129140000';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "tenant_intents" ("user_id" uuid not null, "id" uuid not null, "lapses_at" timestamptz not null, primary key ("user_id"));`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "tenant_intents" cascade;`);
  }
}
