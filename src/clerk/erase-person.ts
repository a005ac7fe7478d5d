import type { EntityManager } from '@mikro-orm/postgresql';

const BATCH = 5000;
const FIRST = '00000000-0000-0000-0000-000000000000';

/** `email`: null also where it is not known to be the user's. */
interface Person {
  clerkId: string;
  email: string | null;
}

/**
 * Erases the rest of a user who is deleted: what the inbox keeps of events about the user, and the address of invitations to
 * the user. The ids stay, so that order counts as before. In the transaction of the deletion, which holds the user's row:
 * an event that comes at the same time is seen here, or sees the deletion (`Inbox.eraseIfDeleted`).
 */
export async function erasePerson(em: EntityManager, person: Person): Promise<void> {
  // in statements that are short, however many tenants and events there are
  for (let last: string | null = FIRST; last !== null; ) last = await eraseInvitations(em, person, last);
  for (let last: string | null = ''; last !== null; ) last = await eraseEvents(em, person.clerkId, last);
}

/** In the tenants after that one; answers the last of them, null: there is none. */
async function eraseInvitations(em: EntityManager, { clerkId, email }: Person, after: string): Promise<string | null> {
  const parameters = [email, clerkId, after, BATCH];
  const [batch] = await em.execute<{ last_tenant: string | null; erased: string[] | null }[]>(INVITATIONS, parameters);
  if (batch?.erased) await em.execute(ERASE_NAMED, [JSON.stringify(batch.erased)]);
  return batch?.last_tenant ?? null;
}

/** Those after that one; answers the last one's id, null: there is none. */
async function eraseEvents(em: EntityManager, userId: string, after: string): Promise<string | null> {
  const [batch] = await em.execute<{ last: string | null }[]>(ERASE_EVENTS, [userId, after]);
  return batch?.last ?? null;
}

/** SQL for which events of the inbox show people: a deletion names one by the id, and of a payer it keeps ids alone. */
export const ERASABLE = "type <> 'user.deleted' and type !~ '^(subscription|paymentAttempt)'";

const ERASE = `update inbox set payload = '{}'`;

const INVITATIONS = 'select last_tenant, erased from erase_invitations(?, ?, ?, ?)';

const ERASE_NAMED = `${ERASE} where object_id in (select jsonb_array_elements_text(?::jsonb))`;

const ERASE_EVENTS = `
with batch as (
  select id from inbox where user_id = ? and id > ? and ${ERASABLE} order by id limit ${BATCH}
), erased as (
  ${ERASE} where id in (select id from batch) and payload::text <> '{}'
)
select max(id) as last from batch`;
