import { defineEntity, p } from '@mikro-orm/core';
import { id } from './columns.entity.ts';
import { CURRENT_TENANT, CURRENT_USER, SCOPE, type Scope } from './scope.ts';

const isOwn = (column: string, owner: string) => `${column} = ${owner}`;
const filter = (cond: (scope: Scope) => object) => ({ [SCOPE]: { name: SCOPE, cond, default: true } });
const ofTenant = isOwn('tenant_id', CURRENT_TENANT);
const OWNER = `COALESCE(${CURRENT_TENANT}, ${CURRENT_USER})`;

/**
 * The rows of one tenant: `defineEntity({ extends: TenantScoped, … })` gives the column, which PostgreSQL fills, the WHERE
 * filter, the forced row policy, and the index that begins with the tenant. Unique keys of the entity begin with `tenantId`.
 */
export const TenantScoped = defineEntity({
  name: 'TenantScoped',
  abstract: true,
  properties: { id, tenantId: p.uuid().defaultRaw(CURRENT_TENANT) },
  uniques: [{ properties: ['tenantId', 'id'] }],
  filters: filter(({ tenantId }) => ({ tenantId })),
  rowLevelSecurity: 'force',
  policies: [{ name: 'tenant', using: ofTenant, check: ofTenant }],
});

/** As TenantScoped, and a person may read the own rows wherever they are: those with the own id as `userId`. */
export const PersonalTenantScoped = defineEntity({
  name: 'PersonalTenantScoped',
  abstract: true,
  properties: { id, tenantId: p.uuid().defaultRaw(CURRENT_TENANT), userId: p.uuid() },
  uniques: [{ properties: ['tenantId', 'id'] }],
  indexes: [{ properties: ['userId'] }],
  filters: filter(({ tenantId, userId }) => ({ $or: [{ tenantId }, { userId }] })),
  rowLevelSecurity: 'force',
  policies: [
    { name: 'tenant', using: `${ofTenant} or ${isOwn('user_id', CURRENT_USER)}`, check: ofTenant },
    { name: 'tenant_updates', type: 'restrictive', command: 'update', using: ofTenant },
    { name: 'tenant_deletes', type: 'restrictive', command: 'delete', using: ofTenant },
  ],
});

/** The rows of the tenant, else of the user where none is active: for products that also work without organizations. */
export const OwnerScoped = defineEntity({
  name: 'OwnerScoped',
  abstract: true,
  properties: { id, ownerId: p.uuid().defaultRaw(OWNER) },
  uniques: [{ properties: ['ownerId', 'id'] }],
  filters: filter(({ tenantId, userId }) => ({ ownerId: tenantId ?? userId })),
  rowLevelSecurity: 'force',
  policies: [{ name: 'owner', using: isOwn('owner_id', OWNER), check: isOwn('owner_id', OWNER) }],
});
