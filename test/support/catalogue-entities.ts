import { isDeepStrictEqual } from 'node:util';
import { type EntityMetadata, EntitySchema } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/postgresql';
import { OwnerScoped, PersonalTenantScoped, TenantScoped } from '../../src/database/index.ts';
import { SCOPE } from '../../src/database/scope.ts';

const SCOPES = new Map([TenantScoped, PersonalTenantScoped, OwnerScoped].map(({ meta }) => [meta.className, meta]));
export type ScopeName = 'TenantScoped' | 'PersonalTenantScoped' | 'OwnerScoped';

/** The entities that extend a scope, by its name. */
export function scopedEntities(orm: MikroORM): { meta: EntityMetadata; scope: ScopeName }[] {
  return tabled(orm).flatMap((meta) => {
    const scope = scopeOf(orm, meta);
    return scope ? [{ meta, scope }] : [];
  });
}

/** Each is scoped or global as its table is, and as its scope says. */
export function faultsOfEntities(orm: MikroORM, globalTables: string[]): string[] {
  return tabled(orm).flatMap((meta) => {
    const scope = scopeOf(orm, meta);
    const isGlobal = globalTables.includes(meta.tableName);
    if (scope && isGlobal) return [`${meta.tableName}: is on the list of global tables, and ${meta.className} scoped`];
    if (isGlobal) return [];
    if (!scope) return [`${meta.tableName}: ${meta.className} extends no scope, so no filter narrows it`];
    return [...faultsOf(meta, SCOPES.get(scope) as EntityMetadata)].map((fault) => `${meta.tableName}: ${fault}`);
  });
}

function* faultsOf(meta: EntityMetadata, scope: EntityMetadata): Generator<string> {
  const filter = (of: EntityMetadata) => Object.values(of.filters).filter(({ name }) => name === SCOPE);
  if (!isDeepStrictEqual(filter(meta), filter(scope))) yield `${meta.className} overrides the filter of its scope`;
  if (meta.rowLevelSecurity !== 'force' || !isDeepStrictEqual(meta.policies, scope.policies))
    yield `${meta.className} overrides the policies of its scope`;
}

/** Those that have a table of their own. */
function tabled(orm: MikroORM): EntityMetadata[] {
  return [...orm.getMetadata().getAll().values()].filter(
    (meta) => !meta.abstract && !meta.embeddable && meta.tableName,
  );
}

function scopeOf(orm: MikroORM, { extends: above }: EntityMetadata): ScopeName | undefined {
  if (!above) return undefined;
  const meta = above instanceof EntitySchema ? above.meta : orm.getMetadata().find(above);
  if (!meta) return undefined;
  return SCOPES.has(meta.className) ? (meta.className as ScopeName) : scopeOf(orm, meta);
}
