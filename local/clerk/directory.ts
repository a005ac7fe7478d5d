import { notFound, Refusal, unprocessable } from './answers.ts';
import type { Tell } from './events.ts';
import { newId } from './ids.ts';
import { Organizations } from './organizations.ts';
import { aPerson, type LocalUser, type SeededOrganization, withEmails } from './people.ts';
import { type Ending, type LocalSession, Sessions } from './sessions.ts';
import { UserList } from './user-list.ts';

/** What a user may be made of. */
export type UserFacts = Partial<Omit<LocalUser, 'object' | 'id' | 'email_addresses'>> & { emails?: string[] };

/** The users, their sessions and organizations, and what can be done to them; every change is told as Clerk's event. */
export class Directory {
  readonly users = new UserList();
  readonly sessions = new Sessions();
  readonly organizations: Organizations;
  readonly #tell: Tell;

  constructor(users: LocalUser[], organizations: SeededOrganization[], tell: Tell) {
    this.#tell = tell;
    for (const user of users) this.users.add(structuredClone(user));
    this.organizations = new Organizations(organizations, this.users, tell);
  }

  /** The user, or a refusal as Clerk gives it. */
  user(id: string): LocalUser {
    return this.users.known(id);
  }

  session(id: string): LocalSession {
    const session = this.sessions.get(id);
    if (!session) throw notFound('Session not found');
    return session;
  }

  createUser({ emails = [], ...facts }: UserFacts): LocalUser {
    this.#refuseTaken({ emails, ...facts });
    const [id, now] = [newId('user'), Date.now()];
    const user = { ...aPerson(id, now), ...withEmails(id, emails, now), ...facts };
    this.users.add(user);
    this.#tell('user.created', user);
    return user;
  }

  updateUser(id: string, facts: Omit<UserFacts, 'emails'>): LocalUser {
    const user = this.user(id);
    this.#refuseTaken(facts, id);
    this.users.change(user, { ...facts, updated_at: Math.max(Date.now(), user.updated_at + 1) });
    this.#tell('user.updated', user);
    return user;
  }

  /** Its sessions and memberships are gone with it. */
  deleteUser(id: string): object {
    const user = this.user(id);
    this.signOutEverywhere(id, 'removed');
    this.organizations.memberships.endAll({ userId: id });
    this.users.remove(id);
    this.sessions.forget(id);
    const deleted = deletedUser(user);
    this.#tell('user.deleted', deleted);
    return deleted;
  }

  /** A ban also revokes the sessions. */
  ban(id: string): LocalUser {
    const user = this.#set(id, { banned: true });
    this.signOutEverywhere(id);
    return user;
  }

  unban(id: string): LocalUser {
    return this.#set(id, { banned: false });
  }

  /** Keeps the sessions: it stops new sign-ins only. */
  lock(id: string): LocalUser {
    return this.#set(id, { locked: true });
  }

  unlock(id: string): LocalUser {
    return this.#set(id, { locked: false });
  }

  /** The active session of the user, or a new one. */
  signIn(userId: string): LocalSession {
    const user = this.user(userId);
    if (user.banned || user.deprovisioned) throw new Refusal(403, 'user_banned', 'This user is banned');
    const [active] = this.sessions.active(userId);
    if (active) return active;
    if (user.locked) throw new Refusal(403, 'user_locked', 'This user is locked');
    const session = this.sessions.start(userId);
    this.#tell('session.created', { ...session, user });
    return session;
  }

  /** A session that has ended stays as it is. */
  endSession(id: string, ending: Ending = 'revoked'): LocalSession {
    const session = this.session(id);
    if (session.status !== 'active') return session;
    this.sessions.end(session, ending);
    this.#tell(`session.${ending}`, { ...session, user: this.users.get(session.user_id) ?? null });
    return session;
  }

  signOutEverywhere(userId: string, ending: Ending = 'revoked'): LocalSession[] {
    return this.sessions.active(userId).map(({ id }) => this.endSession(id, ending));
  }

  #set(id: string, facts: Partial<Pick<LocalUser, 'banned' | 'locked'>>): LocalUser {
    const user = this.user(id);
    const isSo = Object.entries(facts).every(([name, value]) => user[name as keyof LocalUser] === value);
    return isSo ? user : this.updateUser(id, facts);
  }

  #refuseTaken({ emails, external_id: externalId, username }: UserFacts, id?: string): void {
    const taken = (parameter: string, isTaken: (user: LocalUser) => boolean) => {
      for (const user of this.users.all())
        if (user.id !== id && isTaken(user))
          throw unprocessable('form_identifier_exists', parameter, `That ${parameter} is taken. Please try another.`);
    };
    if (emails?.length)
      taken('email_address', (user) => user.email_addresses.some((email) => emails.includes(email.email_address)));
    if (externalId) taken('external_id', (user) => user.external_id === externalId);
    if (username) taken('username', (user) => user.username === username);
  }
}

/** What Clerk says of a user that is no more. */
export function deletedUser({ id, external_id: externalId }: Pick<LocalUser, 'id' | 'external_id'>): object {
  return { object: 'user', id, ...(externalId && { external_id: externalId }), deleted: true };
}
