import { defineEntity, p } from '@mikro-orm/core';
import { mirrored } from '../clerk/mirrored.entity.ts';
import { id, times } from '../database/columns.entity.ts';

const TenantSchema = defineEntity({
  name: 'Tenant',
  tableName: 'tenants',
  properties: {
    id,
    clerkId: p.text().unique(),
    /** Null until Clerk says it. */
    name: p.text().nullable(),
    slug: p.text().nullable(),
    imageUrl: p.text().nullable(),
    /** The tenant's own, not Clerk's. */
    settings: p.json<Record<string, unknown>>().default('{}'),
    /** How many members Clerk lets it have; null or 0: no limit. */
    maxMembers: p.integer().nullable(),
    /** Clerk's id of the user who made it. */
    createdBy: p.text().nullable(),
    /** A tombstone: the row stays, so that nothing brings the tenant back. */
    deletedAt: p.datetime().nullable(),
    ...mirrored,
    ...times,
  },
});

/** A customer; an organization of Clerk's. Global, as users are: what belongs to it is scoped. */
export class Tenant extends TenantSchema.class {}
TenantSchema.setClass(Tenant);

/** What a tenant is called: Clerk may not have said its name yet. */
export function nameOfTenant({ name, slug, clerkId }: Pick<Tenant, 'name' | 'slug' | 'clerkId'>): string {
  return name ?? slug ?? clerkId;
}
