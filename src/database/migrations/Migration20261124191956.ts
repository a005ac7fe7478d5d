import { Migration } from '@mikro-orm/migrations';
import { reference } from '../tenant-migration.ts';

export class Migration20261124191956 extends Migration {
  override name = 'Migration20261124191956';

  override up(): void | Promise<void> {
    this.addSql(
      `create table "projects" ("id" uuid not null, "tenant_id" uuid not null default (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid, "name" text not null, "archived_at" timestamptz null, "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), primary key ("id"));`,
    );
    this.addSql(`alter table "projects" add constraint "projects_tenant_id_id_unique" unique ("tenant_id", "id");`);

    this.addSql(`alter table "projects" enable row level security;`);
    this.addSql(`alter table "projects" force row level security;`);
    this.addSql(
      `create policy "tenant" on "projects" using (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) with check (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);`,
    );

    this.addSql(reference({ table: 'projects', column: 'tenant_id', to: 'tenants' }));
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "projects" cascade;`);
  }
}
