import { Migration } from '@mikro-orm/migrations';

export class Migration20261125213303 extends Migration {
  override name = 'Migration20261125213303';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "entitlement_overrides" ("id" uuid not null, "owner_id" uuid not null default COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid), "feature" text not null, "is_granted" boolean not null, "limit" bigint null, "ends_at" timestamptz null, "reason" text not null, "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), primary key ("id"));`,
    );
    this.addSql(
      `alter table "entitlement_overrides" add constraint "entitlement_overrides_owner_id_id_unique" unique ("owner_id", "id");`,
    );
    this.addSql(
      `alter table "entitlement_overrides" add constraint "entitlement_overrides_owner_id_feature_unique" unique ("owner_id", "feature");`,
    );

    this.addSql(
      `create table "payer_references" ("provider_id" text not null, "kind" text not null, "clerk_id" text not null, primary key ("provider_id"));`,
    );

    this.addSql(
      `create table "payment_attempts" ("id" uuid not null, "owner_id" uuid not null default COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid), "provider_id" text not null, "status" text not null, "type" text null, "amount" bigint null, "currency" text null, "failure" text null, "paid_at" timestamptz null, "failed_at" timestamptz null, "clerk_updated_at" bigint not null default '0', "clerk_event_id" text not null default '', "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), primary key ("id"));`,
    );
    this.addSql(
      `alter table "payment_attempts" add constraint "payment_attempts_owner_id_id_unique" unique ("owner_id", "id");`,
    );
    this.addSql(
      `alter table "payment_attempts" add constraint "payment_attempts_owner_id_provider_id_unique" unique ("owner_id", "provider_id");`,
    );

    this.addSql(
      `create table "plans" ("id" uuid not null, "provider_id" text not null, "slug" text not null, "name" text not null, "payer" text not null, "amount" bigint not null, "annual_amount" bigint null, "currency" text not null, "period" text null, "features" jsonb not null default '[]', "trial_days" int null, "is_public" boolean not null, "retired_at" timestamptz null, "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), primary key ("id"));`,
    );
    this.addSql(`alter table "plans" add constraint "plans_provider_id_unique" unique ("provider_id");`);
    this.addSql(`create index "plans_slug_index" on "plans" ("slug");`);

    this.addSql(
      `create table "billing_rereads" ("clerk_id" text not null, "kind" text not null, "reason" text not null, "doubt_id" uuid not null default gen_random_uuid(), "can_wait" boolean not null default false, "attempts" int not null default 0, "not_before" timestamptz not null default now(), primary key ("clerk_id"));`,
    );
    this.addSql(
      `create index "billing_rereads_can_wait_not_before_index" on "billing_rereads" ("can_wait", "not_before");`,
    );

    this.addSql(
      `create table "subscriptions" ("id" uuid not null, "owner_id" uuid not null default COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid), "provider_id" text not null, "status" text not null, "started_at" timestamptz null, "past_due_at" timestamptz null, "is_read" boolean not null default false, "clerk_updated_at" bigint not null default '0', "clerk_event_id" text not null default '', "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), primary key ("id"));`,
    );
    this.addSql(
      `alter table "subscriptions" add constraint "subscriptions_owner_id_id_unique" unique ("owner_id", "id");`,
    );
    this.addSql(`alter table "subscriptions" add constraint "subscriptions_owner_id_unique" unique ("owner_id");`);

    this.addSql(
      `create table "subscription_items" ("id" uuid not null, "owner_id" uuid not null default COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid), "provider_id" text not null, "subscription_id" text null, "plan" text null, "status" text not null, "is_trial" boolean not null, "period" text null, "period_start" timestamptz null, "period_end" timestamptz null, "canceled_at" timestamptz null, "past_due_at" timestamptz null, "ended_at" timestamptz null, "seats" int null, "clerk_updated_at" bigint not null default '0', "clerk_event_id" text not null default '', "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), primary key ("id"));`,
    );
    this.addSql(
      `alter table "subscription_items" add constraint "subscription_items_owner_id_id_unique" unique ("owner_id", "id");`,
    );
    this.addSql(
      `alter table "subscription_items" add constraint "subscription_items_owner_id_provider_id_unique" unique ("owner_id", "provider_id");`,
    );

    this.addSql(
      `create table "usage" ("id" uuid not null, "owner_id" uuid not null default COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid), "meter" text not null, "period_start" timestamptz not null, "used" bigint not null default '0', "lapses_at" timestamptz null, primary key ("id"));`,
    );
    this.addSql(`alter table "usage" add constraint "usage_owner_id_id_unique" unique ("owner_id", "id");`);
    this.addSql(
      `alter table "usage" add constraint "usage_owner_id_meter_period_start_unique" unique ("owner_id", "meter", "period_start");`,
    );

    this.addSql(
      `create table "usage_keys" ("id" uuid not null, "owner_id" uuid not null default COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid), "meter" text not null, "key" text not null, "amount" bigint not null, "period_start" timestamptz not null, "at" timestamptz not null default now(), primary key ("id"));`,
    );
    this.addSql(`create index "usage_keys_owner_id_meter_at_index" on "usage_keys" ("owner_id", "meter", "at");`);
    this.addSql(`alter table "usage_keys" add constraint "usage_keys_owner_id_id_unique" unique ("owner_id", "id");`);
    this.addSql(
      `alter table "usage_keys" add constraint "usage_keys_owner_id_meter_key_unique" unique ("owner_id", "meter", "key");`,
    );

    this.addSql(
      `create table "usage_reservations" ("id" uuid not null, "owner_id" uuid not null default COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid), "meter" text not null, "period_start" timestamptz not null, "amount" bigint not null, "expires_at" timestamptz not null, primary key ("id"));`,
    );
    this.addSql(
      `alter table "usage_reservations" add constraint "usage_reservations_owner_id_id_unique" unique ("owner_id", "id");`,
    );

    this.addSql(
      `create table "waiting_billing" ("id" uuid not null, "provider_ids" text[] not null, "word" jsonb not null, "at" timestamptz not null default now(), primary key ("id"));`,
    );
    this.addSql(`create index "waiting_billing_provider_ids_index" on "waiting_billing" using gin ("provider_ids");`);

    this.addSql(`alter table "entitlement_overrides" enable row level security;`);
    this.addSql(`alter table "entitlement_overrides" force row level security;`);
    this.addSql(
      `create policy "owner" on "entitlement_overrides" using (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid)) with check (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid));`,
    );

    this.addSql(`alter table "payment_attempts" enable row level security;`);
    this.addSql(`alter table "payment_attempts" force row level security;`);
    this.addSql(
      `create policy "owner" on "payment_attempts" using (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid)) with check (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid));`,
    );

    this.addSql(`alter table "subscriptions" enable row level security;`);
    this.addSql(`alter table "subscriptions" force row level security;`);
    this.addSql(
      `create policy "owner" on "subscriptions" using (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid)) with check (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid));`,
    );

    this.addSql(`alter table "subscription_items" enable row level security;`);
    this.addSql(`alter table "subscription_items" force row level security;`);
    this.addSql(
      `create policy "owner" on "subscription_items" using (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid)) with check (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid));`,
    );

    this.addSql(`alter table "usage" enable row level security;`);
    this.addSql(`alter table "usage" force row level security;`);
    this.addSql(
      `create policy "owner" on "usage" using (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid)) with check (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid));`,
    );

    this.addSql(`alter table "usage_keys" enable row level security;`);
    this.addSql(`alter table "usage_keys" force row level security;`);
    this.addSql(
      `create policy "owner" on "usage_keys" using (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid)) with check (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid));`,
    );

    this.addSql(`alter table "usage_reservations" enable row level security;`);
    this.addSql(`alter table "usage_reservations" force row level security;`);
    this.addSql(
      `create policy "owner" on "usage_reservations" using (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid)) with check (owner_id = COALESCE((NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid));`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "entitlement_overrides" cascade;`);
    this.addSql(`drop table if exists "payer_references" cascade;`);
    this.addSql(`drop table if exists "payment_attempts" cascade;`);
    this.addSql(`drop table if exists "plans" cascade;`);
    this.addSql(`drop table if exists "billing_rereads" cascade;`);
    this.addSql(`drop table if exists "subscriptions" cascade;`);
    this.addSql(`drop table if exists "subscription_items" cascade;`);
    this.addSql(`drop table if exists "usage" cascade;`);
    this.addSql(`drop table if exists "usage_keys" cascade;`);
    this.addSql(`drop table if exists "usage_reservations" cascade;`);
    this.addSql(`drop table if exists "waiting_billing" cascade;`);
  }
}
