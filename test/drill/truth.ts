import type { LocalUser } from '../../local/clerk/people.ts';
import type { DrillEvent } from './events.ts';

/** The rows of a table: what each must say, by its key. */
export type Rows = Map<string, string>;

/** What the tables must hold in the end, whatever happened on the way, worked out without the code under trial. */
export function truthOf(events: DrillEvent[]): Record<'inbox' | 'users' | 'revocations' | 'effects', Rows> {
  return {
    inbox: new Map(events.map((event) => [event.id, JSON.stringify(inboxRow(event))])),
    users: usersOf(events),
    revocations: revocationsOf(events),
    effects: new Map(events.filter(({ type }) => type.startsWith('user.')).map(({ id }) => [id, '""'])),
  };
}

function inboxRow(event: DrillEvent) {
  const { data } = event;
  const type = event.type === 'unknown' ? event.of : event.type;
  const status = event.type === 'unknown' ? 'ignored' : 'processed';
  const at = 'at' in event ? event.at : event.data.updated_at;
  return [type, status, data.id, 'user_id' in data ? data.user_id : data.id, at, null];
}

function usersOf(events: DrillEvent[]): Rows {
  const users = new Map<string, { at: number; id: string; row: unknown[] }>();
  for (const { user, id } of wordsOn(events)) {
    const known = users.get(user.id);
    if (!known || isBefore(known, { at: user.updated_at, id }))
      users.set(user.id, { at: user.updated_at, id, row: profile(user, id) });
  }
  const deletions = events
    .filter((event) => event.type === 'user.deleted')
    .toSorted((one, other) => (isBefore(one, other) ? 1 : -1));
  // the first one is written last
  for (const { id, data, at } of deletions) users.set(data.id, { at, id, row: tombstone(at, id) });
  return new Map([...users].map(([clerkId, { row }]) => [clerkId, JSON.stringify(row)]));
}

function revocationsOf(events: DrillEvent[]): Rows {
  const marks = new Map<string, number | null>();
  for (const { type, data } of events)
    if (type === 'session.ended' || type === 'session.removed' || type === 'session.revoked')
      marks.set(`session ${data.id}`, null);
  for (const { user } of wordsOn(events)) {
    const key = `user ${user.id}`;
    const mark = Math.floor(user.updated_at / 1000) + 1;
    if (user.banned || user.deprovisioned) marks.set(key, Math.max(mark, marks.get(key) ?? 0));
  }
  return new Map([...marks].map(([key, mark]) => [key, JSON.stringify([mark, true])]));
}

/** Every user that an event shows, be it inside a session. */
function wordsOn(events: DrillEvent[]): { id: string; user: LocalUser }[] {
  return events.flatMap(({ id, type, data }) => {
    if (type === 'user.created' || type === 'user.updated') return [{ id, user: data }];
    return 'user' in data && data.user ? [{ id, user: data.user }] : [];
  });
}

function isBefore(one: { at: number; id: string }, other: { at: number; id: string }): boolean {
  return one.at < other.at || (one.at === other.at && one.id < other.id);
}

function profile(user: LocalUser, id: string): unknown[] {
  const when = (isSo: boolean) => (isSo ? user.updated_at : null);
  return [
    user.external_id,
    user.email_addresses[0]?.email_address,
    `${user.first_name} ${user.last_name}`,
    user.image_url,
    when(user.banned),
    when(user.locked),
    when(user.deprovisioned),
    null,
    user.updated_at,
    id,
  ];
}

function tombstone(at: number, id: string): unknown[] {
  return [null, null, null, null, null, null, null, at, at, id];
}
