interface Reference {
  table: string;
  column: string;
  to: string;
  onDelete?: 'restrict' | 'cascade';
}

/** SQL for a foreign key that the ORM is not told of, of a scoped table to a global one: `tenant_id` to `tenants`. */
export function reference({ table, column, to, onDelete = 'restrict' }: Reference): string {
  const key = `foreign key ("${column}") references "${to}" ("id") on delete ${onDelete}`;
  return seeingAll([table], `alter table "${table}" add constraint "${table}_${column}_reference" ${key};`);
}

/**
 * SQL for a foreign key between two scoped tables, which holds inside one tenant: row policies alone let a row point at
 * another tenant's, and a cascade delete that. The ORM's own must be off (`createForeignKeyConstraint(false)`).
 */
export function referenceInTenant({ table, column, to, onDelete = 'restrict' }: Reference): string {
  const key = `foreign key ("tenant_id", "${column}") references "${to}" ("tenant_id", "id") on delete ${onDelete}`;
  return seeingAll([table, to], `alter table "${table}" add constraint "${table}_${column}_reference" ${key};`);
}

/** What a new constraint must check of the rows that are there, a forced policy would hide from the owner. */
function seeingAll(tables: string[], statement: string): string {
  const force = (how: string) => tables.map((table) => `alter table "${table}" ${how} row level security;`).join(' ');
  return `${force('no force')} ${statement} ${force('force')}`;
}

/**
 * SQL that runs a statement once as each tenant. A migration runs without row security being applied silently: there a
 * statement that a policy would narrow is an error, and this is how to change scoped rows. Those of an OwnerScoped entity
 * may be a user's, and need `asEachOwner`.
 */
export function asEachTenant(statement: string): string {
  return asEach(TENANTS, statement);
}

/** As `asEachTenant`, and then once as each user without a tenant: for the rows of an OwnerScoped entity. */
export function asEachOwner(statement: string): string {
  return asEach(`${TENANTS} union all ${USERS}`, statement);
}

const TENANTS = "select id::text as tenant, '' as person from tenants";
const USERS = "select '', id::text from users";

function asEach(owners: string, statement: string): string {
  return `do $each_owner$
declare owner record;
begin
  set local row_security = on;
  for owner in select * from (${owners}) as owners order by person, tenant loop
    perform set_config('app.tenant_id', owner.tenant, true), set_config('app.user_id', owner.person, true);
    execute $statement$${statement}$statement$;
  end loop;
  perform set_config('app.tenant_id', '', true), set_config('app.user_id', '', true);
  set local row_security = off;
end $each_owner$;`;
}
