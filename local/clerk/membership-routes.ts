import { ok, readJson } from './answers.ts';
import type { KeptList } from './kept-list.ts';
import type { MembershipRow } from './membership.ts';
import type { MembershipFilter } from './organization-book.ts';
import { changedRole, newMember } from './organization-form.ts';
import type { Organizations } from './organizations.ts';
import { idsOf, listOf, pageOf, refuseUnknown } from './query.ts';
import type { Route } from './routes.ts';

export function membershipRoutes({ book, memberships }: Organizations): Record<string, Route> {
  const listed = (list: KeptList<MembershipRow, MembershipFilter>, query: URLSearchParams, filters: string[] = []) => {
    refuseUnknown(query, filters);
    const filter = { userIds: idsOf(query, 'user_id'), roles: listOf(query, 'role') };
    const { data, count } = list.pageAndCount(filter, pageOf(query));
    return ok({ data: data.map((row) => book.showMembership(row)), total_count: count });
  };
  return {
    'GET organization_memberships': ({ query }) => listed(book.memberships.all, query),
    'GET users/:id/organization_memberships': ({ id, query }) =>
      listed(book.membershipsOf(book.users.known(id).id), query),
    'GET organizations/:id/memberships': ({ id, query }) =>
      listed(book.membersOf(book.organization(id).id), query, ['user_id', 'role']),
    'POST organizations/:id/memberships': async ({ request, id }) =>
      ok(memberships.add(id, newMember(await readJson(request)))),
    'PATCH organizations/:id/memberships/:userId': async ({ request, id, userId }) =>
      ok(memberships.changeRole(id, userId, changedRole(await readJson(request)))),
    'DELETE organizations/:id/memberships/:userId': ({ id, userId }) => ok(memberships.remove(id, userId)),
  };
}
