import type { EntityManager } from '@mikro-orm/postgresql';
import { asTenant, type Row, rowOf } from '../database/index.ts';
import { Membership } from './membership.entity.ts';
import { Tenant } from './tenant.entity.ts';

/** A tenant as read once. */
export interface TenantSnapshot {
  readonly row: Row<Tenant>;
}

/** What a request must know of a membership. */
export interface MembershipSnapshot {
  readonly isOver: boolean;
}

export async function loadTenant(em: EntityManager, clerkId: string): Promise<TenantSnapshot | undefined> {
  const tenant = await em.findOne(Tenant, { clerkId });
  return tenant ? Object.freeze({ row: rowOf(tenant) }) : undefined;
}

/** By the key of a membership. */
export async function loadMembership(em: EntityManager, key: string): Promise<MembershipSnapshot | undefined> {
  const [userId = '', tenantId = ''] = key.split('/');
  const membership = await asTenant(em, tenantId, (own) => own.findOne(Membership, { tenantId, userId }));
  return membership ? Object.freeze({ isOver: membership.endedAt !== null }) : undefined;
}
