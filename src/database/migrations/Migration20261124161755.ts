import { Migration } from '@mikro-orm/migrations';

export class Migration20261124161755 extends Migration {
  override name = 'Migration20261124161755';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "reconcile_progress" ("subject" text not null, "applies" boolean not null, "phase" text not null default 'theirs', "position" text not null default '', "walked" int not null default 0, "tally" jsonb not null, "started_at" timestamptz not null default now(), primary key ("subject"));`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "reconcile_progress" cascade;`);
  }
}
