import { createdBetween, idsOf, listOf, refuseUnknown } from './query.ts';
import type { UserFilter } from './user-list.ts';

const KNOWN = ['user_id', 'email_address', 'external_id', 'created_at_after', 'created_at_before', 'paginated'];

/** Refuses a filter that is not built: ignored, it would answer too much. */
export function filterOf(query: URLSearchParams): UserFilter {
  refuseUnknown(query, KNOWN);
  return {
    ids: idsOf(query, 'user_id'),
    emails: listOf(query, 'email_address'),
    externalIds: idsOf(query, 'external_id'),
    ...createdBetween(query),
  };
}
