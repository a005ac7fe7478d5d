import type { EntityManager } from '@mikro-orm/postgresql';
import { Problem } from '../http/index.ts';
import { Membership } from './membership.entity.ts';

/** Clerk's role of who administers an organization; it alone gives roles. */
export const ADMIN = 'org:admin';

/** How long an admin who is asked to go counts as gone before Clerk has confirmed it: longer than a request may take. */
const LEAVING_MS = 30_000;

/** The mark of an admin who is asked to go, and the one that it took the place of. */
interface Withdrawal {
  since: Date;
  before: Date | null;
}

/** Throws `role_required` unless the user administers the tenant by our copy, too. In a transaction of the tenant. */
export async function requireAdmin(em: EntityManager, ids: { tenantId: string; userId: string }): Promise<void> {
  const found = await em.count(Membership, { ...ids, role: ADMIN, endedAt: null });
  if (found === 0) throw new Problem('role_required');
}

/**
 * Marks the membership as leaving, so that it is no admin's any more for who asks next; throws `conflict` when it is the last
 * admin's. Whoever else asks waits for the commit. Answers the mark; none where it is no admin's. In a transaction of the
 * tenant.
 */
export async function withdrawAdmin(em: EntityManager, membership: Membership): Promise<Withdrawal | undefined> {
  const { id, tenantId, role } = membership;
  if (role !== ADMIN) return undefined;
  await em.execute('select from tenants where id = ? for no key update', [tenantId]);
  const isStaying = { $or: [{ leavingSince: null }, { leavingSince: { $lt: new Date(Date.now() - LEAVING_MS) } }] };
  const others = { tenantId, role: ADMIN, endedAt: null, id: { $ne: id }, user: { deletedAt: null } };
  if ((await em.count(Membership, { ...others, ...isStaying })) === 0)
    throw new Problem('conflict', {
      detail: 'A tenant keeps at least one admin: give the role to another member first.',
    });
  return mark(em, membership);
}

/** Takes the mark back, since nothing came of it: another request may have asked before, or since, and its mark stays. */
export async function keepAdmin(em: EntityManager, { id }: Membership, { since, before }: Withdrawal): Promise<void> {
  await em.nativeUpdate(Membership, { id, leavingSince: since }, { leavingSince: before });
}

/** No two marks of a membership are the same, so that each is known again. */
async function mark(em: EntityManager, membership: Membership): Promise<Withdrawal> {
  await em.refresh(membership); // as it is now that nobody else can mark it
  const { id, leavingSince: before = null } = membership;
  const since = new Date(Math.max(Date.now(), (before?.getTime() ?? 0) + 1));
  await em.nativeUpdate(Membership, { id }, { leavingSince: since });
  return { since, before };
}
