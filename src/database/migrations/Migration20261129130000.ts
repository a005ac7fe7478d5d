import { Migration } from '@mikro-orm/migrations';

/**
 * Of so many tenants after that one the tenant that has a membership or an invitation of that id of Clerk's; null: none. Answers
 * the last one too, null when there are no more. Looks as each tenant in turn, since row policies show a tenant's rows to it
 * alone: for the few events that do not say whose their object is.
 */
const TENANT_HAVING = `create function tenant_having(
  kind text, object_id text, after uuid, at_most int, out last_tenant uuid, out having_it uuid
) language plpgsql security invoker as $$
declare
  before text[] := public.enter_scope('', '');
  candidate uuid;
begin
  for candidate in select id from public.tenants where id > after order by id limit at_most loop
    last_tenant := candidate;
    perform set_config('app.tenant_id', candidate::text, true);
    if kind = 'organizationMembership' then
      perform from public.memberships where tenant_id = candidate and clerk_id = object_id;
    else
      perform from public.invitations where tenant_id = candidate and clerk_id = object_id;
    end if;
    if found then
      having_it := candidate;
      exit;
    end if;
  end loop;
  perform public.enter_scope(before[1], before[2]);
end $$`;

/** Events that name their object by its id alone. */
export class Migration20261129130000 extends Migration {
  override name = 'Migration20261129130000';

  override up(): void | Promise<void> {
    this.addSql(`drop index "inbox_open";`);
    this.addSql(
      `create index "inbox_open" on "inbox" ("status") where status in ('failed', 'quarantined', 'unresolved');`,
    );
    this.addSql(`create index "inbox_object_id_index" on "inbox" ("object_id");`);
    this.addSql(`create index "memberships_tenant_id_clerk_id_index" on "memberships" ("tenant_id", "clerk_id");`);
    this.addSql(`${TENANT_HAVING};`);
  }

  override down(): void | Promise<void> {
    this.addSql(`drop function if exists tenant_having;`);
    this.addSql(`drop index "memberships_tenant_id_clerk_id_index";`);
    this.addSql(`drop index "inbox_object_id_index";`);
    this.addSql(`drop index "inbox_open";`);
    this.addSql(`create index "inbox_open" on "inbox" ("status") where status in ('failed', 'quarantined');`);
  }
}
