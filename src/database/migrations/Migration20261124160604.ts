import { Migration } from '@mikro-orm/migrations';

export class Migration20261124160604 extends Migration {
  override name = 'Migration20261124160604';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "inbox" ("id" text not null, "type" text not null, "status" text not null, "object_id" text null, "user_id" text null, "tenant_id" text null, "instance_id" text null, "event_at" bigint not null, "payload" json not null, "deliveries" int not null default 1, "error" text null, "received_at" timestamptz not null, "handled_at" timestamptz null, primary key ("id"));`,
    );
    this.addSql(`create index "inbox_received_at_index" on "inbox" ("received_at");`);
    this.addSql(`create index "inbox_open" on "inbox" ("status") where status in ('failed', 'quarantined');`);

    this.addSql(`create table "instance" ("issuer" text not null, "clerk_id" text not null, primary key ("issuer"));`);

    this.addSql(
      `create table "revocations" ("kind" text not null, "clerk_id" text not null, "not_before" bigint null, "expires_at" timestamptz not null, primary key ("kind", "clerk_id"));`,
    );
    this.addSql(`create index "revocations_expires_at_index" on "revocations" ("expires_at");`);
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "inbox" cascade;`);
    this.addSql(`drop table if exists "instance" cascade;`);
    this.addSql(`drop table if exists "revocations" cascade;`);
  }
}
