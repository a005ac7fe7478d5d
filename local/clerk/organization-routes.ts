import { ok, readJson } from './answers.ts';
import type { LocalOrganization } from './organization.ts';
import { changedOrganization, newOrganization } from './organization-form.ts';
import type { OrganizationFilter } from './organization-list.ts';
import type { Organizations } from './organizations.ts';
import { idsOf, pageOf, refuseUnknown } from './query.ts';
import type { Route } from './routes.ts';

const SETTINGS = {
  object: 'organization_settings',
  enabled: true,
  max_allowed_memberships: 0,
  max_allowed_roles: 10,
  max_allowed_domains: 0,
  creator_role: 'org:admin',
  admin_delete_enabled: true,
  domains_enabled: false,
  domains_enrollment_modes: [],
  domains_default_role: 'org:member',
};

export function organizationRoutes(organizations: Organizations): Record<string, Route> {
  return {
    'GET instance/organization_settings': () => ok(SETTINGS),
    'GET organizations': ({ query }) => ok(listed(organizations, query)),
    'POST organizations': async ({ request }) => ok(organizations.create(newOrganization(await readJson(request)))),
    'GET organizations/:id': ({ id, query }) => ok(counted(organizations.get(id), query)),
    'PATCH organizations/:id': async ({ request, id }) =>
      ok(organizations.update(id, changedOrganization(await readJson(request)))),
    'DELETE organizations/:id': ({ id }) => ok(organizations.delete(id)),
  };
}

function listed({ book }: Organizations, query: URLSearchParams) {
  const { data, count } = book.organizations.pageAndCount(filterOf(query), pageOf(query));
  return { data: data.map((row) => counted(book.showOrganization(row), query)), total_count: count };
}

function filterOf(query: URLSearchParams): OrganizationFilter {
  refuseUnknown(query, ['organization_id', 'user_id', 'query', 'include_members_count']);
  return {
    ids: idsOf(query, 'organization_id'),
    userIds: idsOf(query, 'user_id'),
    query: query.get('query') ?? undefined,
  };
}

/** Clerk counts the members for who asks. */
function counted({ members_count: count, ...organization }: LocalOrganization, query: URLSearchParams) {
  return query.get('include_members_count') === 'true' ? { ...organization, members_count: count } : organization;
}
