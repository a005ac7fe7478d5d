import { type LocalUser, localUser, withEmails } from '../../local/clerk/people.ts';
import type { Random } from './random.ts';

const EQUAL_TIMES = 0.1;
const MAX_STEP_MS = 2000;
const UNKNOWN = ['email.created', 'sms.created', 'waitlistEntry.created', 'role.created'];
const KINDS: [upTo: number, make: (history: History) => Told][] = [
  [0.55, (history) => history.userChanges()],
  [0.7, (history) => history.sessionBegins()],
  [0.9, (history) => history.sessionEnds()],
  [0.99, (history) => history.somethingElse()],
  [1, (history) => history.userIsDeleted()],
];

type SessionData = { id: string; user_id: string; updated_at: number; user?: LocalUser };
/** What Clerk tells of it. */
export type Told =
  | { type: 'user.created' | 'user.updated'; data: LocalUser }
  | { type: 'user.deleted'; data: { id: string }; at: number }
  | { type: 'session.created' | 'session.ended' | 'session.removed' | 'session.revoked'; data: SessionData }
  | { type: 'unknown'; of: string; data: { id: string; user_id: string }; at: number };

/** What happens to one user at Clerk. */
export class History {
  readonly #random: Random;
  readonly #id: string;
  #user: LocalUser;
  #version = 0;
  #now: number;

  constructor(random: Random, id: string, began: number) {
    this.#random = random;
    this.#id = id;
    this.#now = began;
    this.#user = {
      ...localUser(id, 'Ada', 'v0', `${id}@example.com`),
      external_id: `customer-${id}`,
      updated_at: began,
    };
  }

  begins(): Told {
    return { type: 'user.created', data: this.#user };
  }

  goesOn(): Told {
    if (!this.#random.isLucky(EQUAL_TIMES)) this.#now += 1 + this.#random.below(MAX_STEP_MS);
    const chance = this.#random.next();
    const [, make] = KINDS.find(([upTo]) => chance < upTo) as (typeof KINDS)[number];
    return make(this);
  }

  userChanges(): Told {
    this.#version += 1;
    this.#user = {
      ...this.#user,
      ...withEmails(this.#id, [`v${this.#version}.${this.#id}@example.com`], this.#now),
      last_name: `v${this.#version}`,
      banned: this.#user.banned !== this.#random.isLucky(0.2),
      locked: this.#random.isLucky(0.1),
      deprovisioned: this.#random.isLucky(0.05),
      updated_at: this.#now,
    };
    return { type: 'user.updated', data: this.#user };
  }

  sessionBegins(): Told {
    const user = this.#random.isLucky(0.5) && { user: this.#user };
    return { type: 'session.created', data: { ...this.#session(), ...user } };
  }

  sessionEnds(): Told {
    const type = this.#random.oneOf(['session.ended', 'session.removed', 'session.revoked'] as const);
    return { type, data: this.#session() };
  }

  somethingElse(): Told {
    const data = { id: `thing_${this.#random.below(2 ** 31)}`, user_id: this.#id };
    return { type: 'unknown', of: this.#random.oneOf(UNKNOWN), data, at: this.#now };
  }

  userIsDeleted(): Told {
    return { type: 'user.deleted', data: { id: this.#id }, at: this.#now };
  }

  /** One of few, so that a session ends more than once. */
  #session(): SessionData {
    return { id: `sess_${this.#random.below(20)}${this.#id}`, user_id: this.#id, updated_at: this.#now };
  }
}
