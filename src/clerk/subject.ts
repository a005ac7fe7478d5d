import type { EntityManager } from '@mikro-orm/postgresql';
import type { Unreadable } from './readable.ts';
import type { Step } from './walk-by-creation.ts';

/** What is reconciled, in this order: a membership needs its user and its organization. */
export const SUBJECTS = ['users', 'organizations', 'memberships'] as const;
export type SubjectName = (typeof SUBJECTS)[number];

/** The most rows that are written in one transaction. */
export const BATCH = 100;

/** What all objects of Clerk's have; the time in milliseconds. */
export interface Said {
  id: string;
  updated_at?: number | null | undefined;
}

/** How a row of ours stands to what Clerk just said of it. */
export interface Standing {
  /** Deleted or ended: Clerk's word that it is there does not bring it back. */
  isOver: boolean;
  isSame: boolean;
  /** The mirror would leave it as it is. */
  isNewer: boolean;
  touchedAt: Date;
}

/** A walk over a list of Clerk's. */
export interface Walk {
  /** Gets the keys of all that is listed. */
  seen: Set<string>;
  /** The position that an earlier process came to: what lies before is only noted in `seen`. */
  from: number;
  /** Time in milliseconds: what was created from then on is left out. */
  until: number;
  /** What `count` said. */
  total: number;
  signal: AbortSignal;
}

/** Some of our living rows that nobody touched, in order. */
export interface Ours {
  keys: string[];
  /** After which the next ones follow; a key is one too. */
  position: string;
  /** By how much this goes on, out of `countOurs`. */
  counted: number;
}

/** What Clerk answered of some keys: what is there, what is not in its list, and what it refused to say. */
export interface Answers<Theirs> {
  there: Theirs[];
  unlisted: string[];
  refused: string[];
}

/** What ends rows here, since Clerk says that there is none. */
export interface Ending {
  /** Rows that were touched from then on stay. */
  since: Date;
  /** Milliseconds. */
  at: number;
  eventId: string;
}

/**
 * One entity of Clerk's that we have a copy of, as a reconciliation needs it. Keys are made of Clerk's ids. Who asks Clerk
 * does it outside of transactions; who writes does it in the caller's, with the rows locked in their order.
 */
export interface Subject<Theirs extends Said = Said> {
  readonly name: SubjectName;
  /** What `countOurs` counts. */
  readonly unit: SubjectName;
  keyOf(theirs: Theirs): string;
  isKey(text: string): boolean;

  count(signal: AbortSignal): Promise<number>;
  walk(walk: Walk): AsyncIterable<Step<Theirs>>;
  /** By key; with `lock` they stay as they are until the commit. */
  standings(em: EntityManager, theirs: Theirs[], options: { lock: boolean }): Promise<Map<string, Standing>>;
  mirror(em: EntityManager, theirs: Theirs[], eventId: string): Promise<void>;

  countOurs(em: EntityManager, since: Date, after: string): Promise<number>;
  /** Undefined when there are no more. */
  ours(em: EntityManager, since: Date, after: string): Promise<Ours | undefined>;
  /** Clerk's lists, of at most 100 keys. */
  ask(keys: string[], signal: AbortSignal): Promise<Answers<Theirs>>;
  /** Clerk's word on this very one: absence from a list proves nothing. */
  find(key: string, signal: AbortSignal): Promise<Theirs | Unreadable | 'absent'>;
  end(em: EntityManager, keys: string[], ending: Ending): Promise<void>;
  /** By an operator's word, and Clerk's that it is there. Throws CannotReconcile. */
  revive(key: string, eventId: string): Promise<void>;
}
