import { Refusal } from './answers.ts';
import type { Tell } from './events.ts';
import { aMembership, type LocalMembership, type MembershipRow } from './membership.ts';
import { refuseFull, refuseMember } from './membership-limits.ts';
import type { OrganizationBook } from './organization-book.ts';
import { knownRole } from './roles.ts';

export interface NewMember {
  user_id: string;
  role: string;
  public_metadata?: object;
  private_metadata?: object;
}

/** Who is in which organization, and what can be done about it; every change is told as Clerk's event. */
export class Memberships {
  readonly #book: OrganizationBook;
  readonly #tell: Tell;

  constructor(book: OrganizationBook, tell: Tell) {
    this.#book = book;
    this.#tell = tell;
  }

  get(organizationId: string, userId: string): LocalMembership {
    return this.#book.showMembership(this.#book.membership(organizationId, userId));
  }

  /** A user who was a member before gets another membership. */
  add(organizationId: string, { role, ...facts }: NewMember): LocalMembership {
    const organization = this.#book.organization(organizationId);
    const { id } = this.#book.users.known(facts.user_id);
    refuseMember(this.#book, organization, id);
    refuseFull(this.#book, organization);
    return this.begin(aMembership({ ...facts, role: knownRole(role), organization_id: organization.id }));
  }

  /** Without asking whether it may be. */
  begin(membership: MembershipRow): LocalMembership {
    this.#book.memberships.add(membership);
    return this.tellBegun(membership);
  }

  tellBegun(membership: MembershipRow): LocalMembership {
    return this.#told('created', membership);
  }

  changeRole(organizationId: string, userId: string, key: string): LocalMembership {
    const membership = this.#book.membership(organizationId, userId);
    const role = knownRole(key);
    if (membership.role === role) return this.#book.showMembership(membership);
    this.#refuseLastAdmin(membership);
    const updatedAt = Math.max(Date.now(), membership.updated_at + 1);
    this.#book.memberships.change(membership, { role, updated_at: updatedAt });
    return this.#told('updated', membership);
  }

  remove(organizationId: string, userId: string): LocalMembership {
    const membership = this.#book.membership(organizationId, userId);
    this.#refuseLastAdmin(membership);
    return this.#end(membership);
  }

  /** The user or organization is going; nobody asks who is left. */
  endAll(of: { organizationId: string } | { userId: string }): void {
    const ending = 'userId' in of ? this.#book.membershipsOf(of.userId) : this.#book.membersOf(of.organizationId);
    for (const membership of ending.all()) this.#end(membership);
  }

  #refuseLastAdmin({ organization_id: organizationId, role }: MembershipRow): void {
    const admins = this.#book.membersOf(organizationId).count({ roles: ['org:admin'] });
    if (role === 'org:admin' && admins === 1)
      throw new Refusal(
        400,
        'organization_minimum_permissions_needed',
        'There has to be at least one organization member with the minimum required permissions',
      );
  }

  #end(membership: MembershipRow): LocalMembership {
    this.#book.memberships.remove(membership);
    return this.#told('deleted', membership);
  }

  #told(what: 'created' | 'updated' | 'deleted', membership: MembershipRow): LocalMembership {
    const shown = this.#book.showMembership(membership);
    this.#tell(`organizationMembership.${what}`, shown);
    return shown;
  }
}
