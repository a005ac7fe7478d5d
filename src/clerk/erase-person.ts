import type { EntityManager } from '@mikro-orm/postgresql';

const BATCH = 5000;

/**
 * Erases the rest of a user who is deleted: what the inbox keeps of events about the user, and the address of invitations to
 * the user. The ids stay, so that order counts as before. In the transaction of the deletion, which holds the user's row:
 * an event that comes at the same time is seen here, or sees the deletion (`Inbox.eraseIfDeleted`).
 */
export async function erasePerson(em: EntityManager, person: { clerkId: string; email: string | null }): Promise<void> {
  const invitations = await em.execute<{ id: string }[]>('select erase_invitations(?, ?) as id', [
    person.email,
    person.clerkId,
  ]);
  for (const { id } of invitations) await em.execute(`${ERASE} where object_id = ?`, [id]);
  // in statements that are short, however many events there are
  for (let last: string | null = ''; last !== null; ) last = await eraseEvents(em, person.clerkId, last);
}

/** Those after that one; answers the last one's id, null: there is none. */
async function eraseEvents(em: EntityManager, userId: string, after: string): Promise<string | null> {
  const [batch] = await em.execute<{ last: string | null }[]>(ERASE_EVENTS, [userId, after]);
  return batch?.last ?? null;
}

/** SQL for which events of the inbox show people: a deletion names one by the id, and of a payer it keeps ids alone. */
export const ERASABLE = "type <> 'user.deleted' and type !~ '^(subscription|paymentAttempt)'";

const ERASE = `update inbox set payload = '{}'`;

const ERASE_EVENTS = `
with batch as (
  select id from inbox where user_id = ? and id > ? and ${ERASABLE} order by id limit ${BATCH}
), erased as (
  ${ERASE} where id in (select id from batch) and payload::text <> '{}'
)
select max(id) as last from batch`;
