import { Migration } from '@mikro-orm/migrations';

export class Migration20261123090557 extends Migration {
  override name = 'Migration20261123090557';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "changes" ("id" bigserial primary key, "topic" text not null, "key" text not null, "at" timestamptz not null default now());`,
    );

    this.addSql(
      `create table "verification_keys" ("issuer" text not null, "keys" jsonb not null, "fetched_at" timestamptz not null, primary key ("issuer"));`,
    );

    this.addSql(
      `create table "users" ("id" uuid not null, "clerk_id" text not null, "external_id" text null, "email" text null, "name" text null, "image_url" text null, "locale" text null, "timezone" text null, "settings" jsonb not null default '{}', "banned_at" timestamptz null, "locked_at" timestamptz null, "deprovisioned_at" timestamptz null, "deleted_at" timestamptz null, "clerk_updated_at" bigint not null default '0', "clerk_event_id" text not null default '', "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), primary key ("id"));`,
    );
    this.addSql(`alter table "users" add constraint "users_clerk_id_unique" unique ("clerk_id");`);
    this.addSql(`create unique index "users_external_id_living" on "users" ("external_id") where deleted_at is null;`);
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "changes" cascade;`);
    this.addSql(`drop table if exists "verification_keys" cascade;`);
    this.addSql(`drop table if exists "users" cascade;`);
  }
}
