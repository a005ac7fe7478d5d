import { Migration } from '@mikro-orm/migrations';
import { asEachTenant } from '../tenant-migration.ts';

/**
 * Erases the address of the invitations that a user has accepted, as far as the inbox knows, or that went to that address, in
 * so many tenants after that one; answers the last tenant, null when there are no more, and Clerk's ids of the invitations.
 * Looks as each tenant in turn, since row policies show a tenant's rows to it alone.
 */
const ERASE_INVITATIONS = `create function erase_invitations(
  address text, person text, after uuid, at_most int, out last_tenant uuid, out erased text[]
) language plpgsql security invoker as $$
declare
  before text[] := public.enter_scope('', '');
  candidate uuid;
  accepted text[] := array(select object_id from public.inbox where user_id = person and type like 'organizationInvitation.%');
begin
  if address is not null or cardinality(accepted) > 0 then
    for candidate in select id from public.tenants where id > after order by id limit at_most loop
      perform set_config('app.tenant_id', candidate::text, true);
      with changed as (
        update public.invitations set email = ''
        where tenant_id = candidate and email <> '' and (lower(email) = lower(address) or clerk_id = any(accepted))
        returning clerk_id
      ) select erased || array_agg(clerk_id) into erased from changed;
      last_tenant := candidate;
    end loop;
  end if;
  perform public.enter_scope(before[1], before[2]);
end $$`;

/** Nothing stays of people and organizations that are deleted but their ids. */
export class Migration20261129131000 extends Migration {
  override name = 'Migration20261129131000';

  override up(): void | Promise<void> {
    this.addSql(`create index "inbox_user_id_id_index" on "inbox" ("user_id", "id");`);
    this.addSql(`${ERASE_INVITATIONS};`);
    this.addSql(`update users set settings = '{}', locale = null, timezone = null where deleted_at is not null;`);
    this.addSql(`update tenants set settings = '{}' where deleted_at is not null;`);
    this.addSql(
      asEachTenant(
        `update invitations set email = '' where exists (select from tenants where id = tenant_id and deleted_at is not null)`,
      ),
    );
    this.addSql(
      `update inbox set payload = '{}' from users
       where clerk_id = user_id and users.deleted_at is not null and type <> 'user.deleted';`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`drop function if exists erase_invitations;`);
    this.addSql(`drop index "inbox_user_id_id_index";`);
  }
}
