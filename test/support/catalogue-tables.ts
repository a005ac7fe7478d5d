import { CURRENT_TENANT, CURRENT_USER } from '../../src/database/scope.ts';
import type { Index, Key, Policy, Table } from './catalogue-read.ts';

const TENANT = `(tenant_id = ${CURRENT_TENANT})`;
const OWNER = `(owner_id = COALESCE(${CURRENT_TENANT}, ${CURRENT_USER}))`;
const PERSONAL = `(${TENANT} OR (user_id = ${CURRENT_USER}))`;

/** Of a table that is not global. */
export function faultsOfTable(table: Table): string[] {
  const scope = scopeOf(table);
  if (!scope) return [`${table.name}: is neither scoped nor on the list of global tables`];
  return [...faultsOfPolicies(table), ...faultsOfIndexes(table, scope)].map((fault) => `${table.name}: ${fault}`);
}

/** A key between two of those tables must hold inside one tenant; and a tenant must be one. */
export function faultsOfReferences(keys: Key[], tables: Table[]): string[] {
  const scopes = new Map(tables.map((table) => [table.name, scopeOf(table)]));
  const open = keys.filter(({ table, to, columns }) => {
    const [from, at] = [scopes.get(table), scopes.get(to)];
    return from && at && !columns.some(([column, target]) => column === from && target === at);
  });
  const named = keys.filter(({ to }) => to === 'tenants').map(({ table, columns }) => `${table} ${columns[0]?.[0]}`);
  const unnamed = tables.filter(
    (table) => scopeOf(table) === 'tenant_id' && !named.includes(`${table.name} tenant_id`),
  );
  return [
    ...open.map(({ name, table, to }) => `${table}: ${name} may refer to ${to} of another tenant`),
    ...unnamed.map(({ name }) => `${name}: its tenant_id does not refer to tenants`),
  ];
}

const scopeOf = ({ columns }: Table) =>
  ['tenant_id', 'owner_id'].find((column) => columns[column] === 'uuid') as 'tenant_id' | 'owner_id' | undefined;

function* faultsOfPolicies({ forced, parent, policies, columns }: Table): Generator<string> {
  const permissive = policies.filter((policy) => policy.permissive);
  if (parent && (!forced || permissive.length === 0)) {
    yield 'is a partition without a forced policy of its own';
    return;
  }
  if (!forced) yield 'its row security is not forced';
  if (permissive.length !== 1) yield `has ${permissive.length} permissive policies, not one`;
  if (permissive.length === 1) yield* faultsOfPolicy(permissive[0] as Policy, policies, columns);
  for (const { name, roles, volatile } of policies) {
    if (roles.join(',') !== 'public') yield `the policy ${name} does not bind whoever asks`;
    if (volatile.length > 0) yield `the policy ${name} calls what is volatile: ${volatile.join(', ')}`;
  }
}

function* faultsOfPolicy(policy: Policy, all: Policy[], columns: Table['columns']): Generator<string> {
  const { name, command, using, check } = policy;
  const own = columns.tenant_id === 'uuid' ? TENANT : OWNER;
  if (command !== 'ALL') yield `the policy ${name} is not for all commands`;
  if (using !== own && using !== PERSONAL) yield `the policy ${name} does not compare what is there with the setting`;
  if (check !== own && !(check === null && using === own))
    yield `the policy ${name} does not compare what is written with the setting`;
  if (using === PERSONAL)
    for (const write of ['UPDATE', 'DELETE'])
      if (!all.some((one) => !one.permissive && one.command === write && one.using === own))
        yield `a person may ${write} rows of another tenant`;
}

function* faultsOfIndexes({ indexes, columns }: Table, scope: string): Generator<string> {
  const led = indexes.filter((index) => index.columns[0] === scope);
  if (!led.some(({ partial }) => !partial)) yield `no index begins with ${scope}`;
  if (!led.some(({ unique, partial, columns: [, second, third] }) => unique && !partial && second === 'id' && !third))
    yield `(${scope}, id) is not unique`;
  for (const index of indexes)
    if (index.unique && !led.includes(index) && !isGenerated(index, columns))
      yield `the unique index ${index.name} does not begin with ${scope}`;
}

/** A primary key of UUIDs, which nobody can guess. */
function isGenerated({ primary, columns: [first, second] }: Index, columns: Table['columns']): boolean {
  return primary && !second && columns[first ?? ''] === 'uuid';
}
