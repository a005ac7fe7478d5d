import type { EntityManager } from '@mikro-orm/postgresql';
import {
  CannotReconcile,
  type ClerkOrganization,
  type ClerkReader,
  GlobalSubject,
  type Subject,
  walkByOffset,
} from '../clerk/index.ts';
import { transaction } from '../database/index.ts';
import type { MembershipMirror } from './membership-mirror.service.ts';
import { Tenant } from './tenant.entity.ts';
import { factsOfOrganization, type TenantFacts } from './tenant-facts.ts';
import type { TenantMirror } from './tenant-mirror.service.ts';

/** Organizations, as they are reconciled. With one that is brought back its memberships are, as far as Clerk has them. */
export function tenantSubject(
  em: EntityManager,
  reader: ClerkReader,
  mirror: TenantMirror,
  memberships: MembershipMirror,
): Subject<ClerkOrganization> {
  return new GlobalSubject<Tenant, ClerkOrganization, TenantFacts>(em, {
    name: 'organizations',
    prefix: 'org_',
    entity: Tenant,
    count: (signal) => reader.countOrganizations(signal),
    walk: ({ signal, ...bounds }) =>
      walkByOffset((offset) => reader.organizations(offset, signal), { ...bounds, keyOf: ({ id }) => id }),
    listOf: (ids, signal) => reader.organizationsOf(ids, signal),
    find: (id, signal) => reader.organization(id, signal),
    factsOf: factsOfOrganization,
    shows,
    mirror,
    revived: async (id, eventId) => {
      const list = (offset: number) => reader.membersOf(id, offset);
      const left: string[] = [];
      for await (const { items, unreadable } of walkByOffset(list, { seen: new Set(), keyOf: (each) => each.id })) {
        for (const each of items) await transaction(em.fork(), (own) => memberships.revive(own, each, eventId));
        left.push(...unreadable);
      }
      if (left.length > 0)
        throw new CannotReconcile(
          `${id}: is alive here again, but without memberships that cannot be read at Clerk: ${left.join(', ')}`,
        );
    },
  });
}

/** Who made it is kept where Clerk does not say. */
function shows(row: Tenant, facts: TenantFacts): boolean {
  return (
    row.name === facts.name &&
    row.slug === facts.slug &&
    row.imageUrl === facts.imageUrl &&
    row.maxMembers === facts.maxMembers &&
    (facts.createdBy === null || row.createdBy === facts.createdBy)
  );
}
