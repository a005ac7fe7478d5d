import { unprocessable } from './answers.ts';
import type { Tell } from './events.ts';
import { Invitations } from './invitations.ts';
import { aMembership } from './membership.ts';
import { Memberships } from './memberships.ts';
import { anOrganization, deletedOrganization, type LocalOrganization, type OrganizationFacts } from './organization.ts';
import { OrganizationBook } from './organization-book.ts';
import type { SeededOrganization } from './people.ts';
import { sow } from './sowing.ts';
import type { UserList } from './user-list.ts';

/** The organizations, and what can be done to them; every change is told as Clerk's event. */
export class Organizations {
  readonly book: OrganizationBook;
  readonly memberships: Memberships;
  readonly invitations: Invitations;
  readonly #tell: Tell;

  constructor(seeded: SeededOrganization[], users: UserList, tell: Tell) {
    this.#tell = tell;
    this.book = new OrganizationBook(users);
    this.memberships = new Memberships(this.book, tell);
    this.invitations = new Invitations(this.book, this.memberships, tell);
    for (const organization of seeded) sow(this.book, organization);
  }

  /** By its id or slug; a refusal where there is none. */
  get(idOrSlug: string): LocalOrganization {
    return this.book.showOrganization(this.book.organization(idOrSlug));
  }

  /** Its creator, if it has one, is its first administrator. */
  create(facts: OrganizationFacts): LocalOrganization {
    const creator = facts.created_by === undefined ? undefined : this.book.users.known(facts.created_by);
    this.#refuseTaken(facts.slug);
    const organization = anOrganization(facts);
    this.book.organizations.add(organization);
    const membership =
      creator && aMembership({ organization_id: organization.id, user_id: creator.id, role: 'org:admin' });
    if (membership) this.book.memberships.add(membership);
    this.#tell('organization.created', this.book.showOrganization(organization));
    if (membership) this.memberships.tellBegun(membership);
    return this.book.showOrganization(organization);
  }

  update(id: string, facts: Partial<OrganizationFacts>): LocalOrganization {
    const organization = this.book.organization(id);
    this.#refuseTaken(facts.slug, organization.id);
    const updatedAt = Math.max(Date.now(), organization.updated_at + 1);
    this.book.organizations.change(organization, { ...facts, updated_at: updatedAt });
    const shown = this.book.showOrganization(organization);
    this.#tell('organization.updated', shown);
    return shown;
  }

  /** Its memberships end first; its invitations are gone with it, of which nobody is told. */
  delete(id: string): object {
    const organization = this.book.organization(id);
    this.memberships.endAll({ organizationId: organization.id });
    for (const invitation of this.book.invitationsOf(organization.id).all()) this.book.invitations.remove(invitation);
    this.book.organizations.remove(organization.id);
    const deleted = deletedOrganization(organization);
    this.#tell('organization.deleted', deleted);
    return deleted;
  }

  #refuseTaken(slug: string | undefined, id?: string): void {
    const holder = slug === undefined ? undefined : this.book.organizations.bySlug(slug);
    if (holder && holder.id !== id)
      throw unprocessable('form_identifier_exists', 'slug', 'That slug is taken. Please try another.');
  }
}
