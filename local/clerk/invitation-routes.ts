import { ok, readJson, unprocessable } from './answers.ts';
import { INVITATION_STATUSES, type InvitationRow, publicOrganizationData } from './invitation.ts';
import type { InvitationFilter } from './organization-book.ts';
import { newInvitation, requestingUser } from './organization-form.ts';
import type { Organizations } from './organizations.ts';
import { listOf, pageOf, refuseUnknown } from './query.ts';
import type { Route } from './routes.ts';

export function invitationRoutes({ book, invitations }: Organizations): Record<string, Route> {
  const withOrganization = (row: InvitationRow) => ({
    ...book.showInvitation(row),
    public_organization_data: publicOrganizationData(book.organization(row.organization_id)),
  });
  return {
    'GET organization_invitations': ({ query }) => {
      const { data, count } = book.invitations.all.pageAndCount(filterOf(query, 'query'), pageOf(query));
      return ok({ data: data.map((row) => withOrganization(row)), total_count: count });
    },
    'GET organizations/:id/invitations': ({ id, query }) => {
      const list = book.invitationsOf(book.organization(id).id);
      const { data, count } = list.pageAndCount(filterOf(query, 'email_address'), pageOf(query));
      return ok({ data: data.map((row) => book.showInvitation(row)), total_count: count });
    },
    'POST organizations/:id/invitations': async ({ request, id }) =>
      ok(invitations.create(id, newInvitation(await readJson(request)))),
    'GET organizations/:id/invitations/:invitationId': ({ id, invitationId }) => ok(invitations.get(id, invitationId)),
    'POST organizations/:id/invitations/:invitationId/revoke': async ({ request, id, invitationId }) =>
      ok(invitations.revoke(id, invitationId, requestingUser(await readJson(request)))),
  };
}

function filterOf(query: URLSearchParams, byEmail: 'query' | 'email_address'): InvitationFilter {
  refuseUnknown(query, ['status', byEmail]);
  const statuses = listOf(query, 'status');
  const unknown = statuses?.find((status) => !INVITATION_STATUSES.some((known) => known === status));
  if (unknown !== undefined)
    throw unprocessable('form_param_value_invalid', 'status', `${unknown} is not a status of an invitation`);
  return { statuses, email: query.get('email_address') ?? undefined, query: query.get('query') ?? undefined };
}
