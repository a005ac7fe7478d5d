import { derivedId } from './ids.ts';
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
    book.memberships.add(
      aMembership({ id: derivedId('orgmem', `${facts.id} ${userId}`), ...of, role: `org:${role}`, ...at }),
    );
  }
}
