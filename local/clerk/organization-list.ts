import { KeptList, type TestsOf } from './kept-list.ts';
import type { OrganizationRow } from './organization.ts';

/** What a list of organizations may be narrowed to. */
export interface OrganizationFilter {
  ids?: string[];
  /** With any of these members. */
  userIds?: string[];
  /** The id, or a part of the name or slug. */
  query?: string;
}

/** The organizations, to be found by their slug too. */
export class OrganizationList extends KeptList<OrganizationRow, OrganizationFilter> {
  readonly #bySlug = new Map<string, OrganizationRow>();

  bySlug(slug: string): OrganizationRow | undefined {
    return this.#bySlug.get(slug);
  }

  override add(organization: OrganizationRow): void {
    super.add(organization);
    this.#bySlug.set(organization.slug, organization);
  }

  override change(organization: OrganizationRow, facts: Partial<OrganizationRow>): void {
    this.#bySlug.delete(organization.slug);
    super.change(organization, facts);
    this.#bySlug.set(organization.slug, organization);
  }

  override remove(id: string): void {
    const organization = this.get(id);
    if (organization) this.#bySlug.delete(organization.slug);
    super.remove(id);
  }
}

export function organizationTests(isMember: (organizationId: string, userId: string) => boolean) {
  const testsOf: TestsOf<OrganizationRow, OrganizationFilter> = ({ ids, userIds, query }) => {
    const named = ids && new Set(ids);
    const part = query?.toLowerCase();
    return [
      named && ((organization: OrganizationRow) => named.has(organization.id)),
      userIds && ((organization: OrganizationRow) => userIds.some((userId) => isMember(organization.id, userId))),
      part && ((organization: OrganizationRow) => matches(organization, part)),
    ].filter((test) => typeof test === 'function');
  };
  return testsOf;
}

function matches({ id, name, slug }: OrganizationRow, part: string): boolean {
  return id.toLowerCase() === part || name.toLowerCase().includes(part) || slug.includes(part);
}
