import { Migration } from '@mikro-orm/migrations';
import { reference } from '../tenant-migration.ts';

export class Migration20261124185629 extends Migration {
  override name = 'Migration20261124185629';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "invitations" ("id" uuid not null, "tenant_id" uuid not null default (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, "clerk_id" text not null, "email" text not null, "role" text not null, "status" text not null, "expires_at" timestamptz null, "clerk_updated_at" bigint not null default '0', "clerk_event_id" text not null default '', "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), primary key ("id"));`,
    );
    this.addSql(
      `alter table "invitations" add constraint "invitations_tenant_id_id_unique" unique ("tenant_id", "id");`,
    );
    this.addSql(
      `alter table "invitations" add constraint "invitations_tenant_id_clerk_id_unique" unique ("tenant_id", "clerk_id");`,
    );

    this.addSql(
      `create table "tenants" ("id" uuid not null, "clerk_id" text not null, "name" text null, "slug" text null, "image_url" text null, "settings" jsonb not null default '{}', "max_members" int null, "created_by" text null, "deleted_at" timestamptz null, "clerk_updated_at" bigint not null default '0', "clerk_event_id" text not null default '', "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), primary key ("id"));`,
    );
    this.addSql(`alter table "tenants" add constraint "tenants_clerk_id_unique" unique ("clerk_id");`);

    this.addSql(
      `create table "memberships" ("id" uuid not null, "tenant_id" uuid not null default (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, "user_id" uuid not null, "clerk_id" text null, "role" text not null, "ended_at" timestamptz null, "leaving_since" timestamptz null, "clerk_created_at" bigint not null default '0', "clerk_updated_at" bigint not null default '0', "clerk_event_id" text not null default '', "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), primary key ("id"));`,
    );
    this.addSql(`create index "memberships_user_id_index" on "memberships" ("user_id");`);
    this.addSql(
      `alter table "memberships" add constraint "memberships_tenant_id_id_unique" unique ("tenant_id", "id");`,
    );
    this.addSql(
      `alter table "memberships" add constraint "memberships_tenant_id_user_id_unique" unique ("tenant_id", "user_id");`,
    );

    this.addSql(`alter table "invitations" enable row level security;`);
    this.addSql(`alter table "invitations" force row level security;`);
    this.addSql(
      `create policy "tenant" on "invitations" using (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) with check (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);`,
    );

    this.addSql(`alter table "memberships" enable row level security;`);
    this.addSql(`alter table "memberships" force row level security;`);
    this.addSql(
      `create policy "tenant" on "memberships" using (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid or user_id = (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid) with check (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);`,
    );
    this.addSql(
      `create policy "tenant_updates" on "memberships" as restrictive for update using (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);`,
    );
    this.addSql(
      `create policy "tenant_deletes" on "memberships" as restrictive for delete using (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);`,
    );

    this.addSql(reference({ table: 'invitations', column: 'tenant_id', to: 'tenants' }));
    this.addSql(reference({ table: 'memberships', column: 'tenant_id', to: 'tenants' }));
    this.addSql(reference({ table: 'memberships', column: 'user_id', to: 'users' }));
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "invitations" cascade;`);
    this.addSql(`drop table if exists "tenants" cascade;`);
    this.addSql(`drop table if exists "memberships" cascade;`);
  }
}
