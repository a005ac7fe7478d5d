import { notFound } from './answers.ts';
import { KeptList } from './kept-list.ts';
import type { LocalUser } from './people.ts';

/** What a list and a count of users may be narrowed to; times in milliseconds, exclusive. */
export interface UserFilter {
  ids?: string[];
  emails?: string[];
  externalIds?: string[];
  createdAfter?: number;
  createdBefore?: number;
}

export class UserList extends KeptList<LocalUser, UserFilter> {
  constructor() {
    super(testsOf);
  }

  /** The user, or a refusal as Clerk gives it. */
  known(id: string): LocalUser {
    const user = this.get(id);
    if (!user) throw notFound(`No user was found with id ${id}`);
    return user;
  }

  withEmail(email: string): LocalUser | undefined {
    const address = email.toLowerCase();
    return this.find((user) => user.email_addresses.some((own) => own.email_address.toLowerCase() === address));
  }
}

function testsOf({ ids, emails, externalIds, createdAfter, createdBefore }: UserFilter) {
  const named = ids && new Set(ids);
  const addresses = emails && new Set(emails.map((email) => email.toLowerCase()));
  return [
    named && ((user: LocalUser) => named.has(user.id)),
    addresses &&
      ((user: LocalUser) => user.email_addresses.some((email) => addresses.has(email.email_address.toLowerCase()))),
    externalIds && ((user: LocalUser) => externalIds.includes(user.external_id ?? '')),
    createdAfter !== undefined && ((user: LocalUser) => user.created_at > createdAfter),
    createdBefore !== undefined && ((user: LocalUser) => user.created_at < createdBefore),
  ].filter((test) => typeof test === 'function');
}
