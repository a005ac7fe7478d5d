import { createHash } from 'node:crypto';
import { aMembership } from './membership.ts';
import { anOrganization } from './organization.ts';
import type { OrganizationBook } from './organization-book.ts';
import { SEEDED_AT, type SeededOrganization } from './people.ts';

/** Puts an organization into the book, with those of its members who are there. */
export function sow(book: OrganizationBook, { members, ...facts }: SeededOrganization): void {
  const at = { created_at: SEEDED_AT, updated_at: SEEDED_AT };
  book.organizations.add(anOrganization({ ...facts, ...at }));
  for (const [userId, role] of Object.entries(members)) {
    if (!book.users.get(userId)) continue;
    const of = { organization_id: facts.id, user_id: userId };
    book.memberships.add(aMembership({ id: membershipId(facts.id, userId), ...of, role: `org:${role}`, ...at }));
  }
}

/** The same after a restart: a database that outlived it knows the membership. */
function membershipId(organizationId: string, userId: string): string {
  return `orgmem_${createHash('sha256').update(`${organizationId} ${userId}`).digest('hex').slice(0, 27)}`;
}
