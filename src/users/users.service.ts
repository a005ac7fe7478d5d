import { EntityManager, LockMode } from '@mikro-orm/postgresql';
import { Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { type Claims, type Principal, UserStates } from '../auth/index.ts';
import { ClerkApi } from '../clerk/index.ts';
import { ChangeLog, isDatabaseUnavailable, Remembered, transaction } from '../database/index.ts';
import { Problem } from '../http/index.ts';
import { type ProfileChanges, User } from './user.entity.ts';
import { USER_CHANGED } from './user-changes.service.ts';
import { factsOfClaims, factsOfUser, type UserFacts } from './user-facts.ts';
import { UserMirror } from './user-mirror.service.ts';
import { loadSnapshot, type UserSnapshot } from './user-snapshot.ts';

const MAX_SNAPSHOTS = 10_000;
/** With neither change log nor tables to read, what is remembered serves this long. */
const MAX_SILENCE_MS = 10_000;
/** Between two tries to complete the profile of one user. */
const COMPLETION_PAUSE_MS = 10_000;
/** How long a user whom Clerk does not know is not asked for again. */
const ABSENCE_MS = 60_000;

/** The people who sign in: found or created, known from memory, never twice. */
@Injectable()
export class UsersService implements UserStates {
  readonly #logger = new Logger(UsersService.name);
  readonly #snapshots = new Remembered<UserSnapshot>(MAX_SNAPSHOTS, (clerkId) => loadSnapshot(this.em.fork(), clerkId));
  readonly #creating = new Map<string, Promise<void>>();
  readonly #absent = new LRUCache<string, true>({ max: MAX_SNAPSHOTS, ttl: ABSENCE_MS });
  readonly #completed = new LRUCache<string, true>({ max: MAX_SNAPSHOTS, ttl: COMPLETION_PAUSE_MS });

  constructor(
    private readonly em: EntityManager,
    private readonly clerk: ClerkApi,
    private readonly changes: ChangeLog,
    private readonly mirror: UserMirror,
  ) {
    changes.listen(USER_CHANGED, {
      one: (clerkId) => this.#snapshots.forget(clerkId),
      all: () => this.#snapshots.forgetAll(),
    });
  }

  isRefused(claims: Claims): boolean | Promise<boolean> {
    const known = this.changes.isCurrent ? this.#snapshots.peek(claims.sub) : undefined;
    return known ? known.isRefused : this.#findOrCreate(claims).then(({ isRefused }) => isRefused);
  }

  /** The caller's row. A user whose token is refused stays refused, whatever the token says. */
  async findOrCreate({ claims }: Principal): Promise<UserSnapshot> {
    const snapshot = await this.#findOrCreate(claims);
    if (snapshot.isRefused) throw new Problem('token_revoked');
    if (snapshot.isIncomplete) this.#completeLater(claims.sub);
    return snapshot;
  }

  /** Saves the user's own settings; every process forgets its copy. */
  async changeProfile({ id, clerkId }: User, changes: ProfileChanges): Promise<UserSnapshot> {
    await transaction(this.em.fork(), async (em) => {
      // read anew: against a copy that is behind, a value that was changed meanwhile would pass for unchanged
      const user = await em.findOneOrFail(User, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      user.changeProfile(changes);
    });
    return this.#reload(clerkId);
  }

  async #findOrCreate(claims: Claims): Promise<UserSnapshot> {
    return (await this.#find(claims.sub)) ?? this.#create(claims);
  }

  /** From memory while the change log is followed, else from the table, else for a while from memory. */
  async #find(clerkId: string): Promise<UserSnapshot | undefined> {
    if (this.changes.isCurrent) return this.#snapshots.get(clerkId);
    try {
      return await this.#snapshots.refresh(clerkId);
    } catch (error) {
      const known = this.changes.silentForMs < MAX_SILENCE_MS ? this.#snapshots.peek(clerkId) : undefined;
      if (!known || !isDatabaseUnavailable(error)) throw error;
      return known;
    }
  }

  /** One creation for all requests of a new user: so Clerk is asked once. */
  async #create(claims: Claims): Promise<UserSnapshot> {
    const running = this.#creating.get(claims.sub) ?? this.#firstSight(factsOfClaims(claims));
    this.#creating.set(claims.sub, running);
    try {
      await running;
    } finally {
      if (this.#creating.get(claims.sub) === running) this.#creating.delete(claims.sub);
    }
    return (await this.#find(claims.sub)) ?? this.#reload(claims.sub);
  }

  /** A token outlives its user by a minute: one that Clerk does not know any more is not made. */
  async #firstSight(claimed: UserFacts): Promise<void> {
    const user = claimed.email === null ? await this.#ask(claimed.clerkId) : 'away';
    if (user === 'absent') throw new Problem('token_revoked');
    await this.#mirror(user === 'away' ? claimed : factsOfUser(user));
  }

  async #ask(clerkId: string) {
    if (this.#absent.has(clerkId)) return 'absent';
    const user = await this.clerk.findUser(clerkId);
    if (user === 'absent') this.#absent.set(clerkId, true);
    return user;
  }

  /** Nobody waits for it: the answer shows in a later request. */
  #completeLater(clerkId: string): void {
    if (this.#completed.has(clerkId)) return;
    this.#completed.set(clerkId, true);
    this.#complete(clerkId).catch((error: Error) => this.#logger.warn(`cannot complete a profile: ${error.message}`));
  }

  async #complete(clerkId: string): Promise<void> {
    const user = await this.clerk.findUser(clerkId);
    if (typeof user === 'object') await this.#mirror(factsOfUser(user));
  }

  async #mirror(facts: UserFacts): Promise<void> {
    await transaction(this.em.fork(), (em) => this.mirror.mirror(em, facts));
  }

  async #reload(clerkId: string): Promise<UserSnapshot> {
    this.#snapshots.forget(clerkId);
    const snapshot = await this.#snapshots.refresh(clerkId);
    if (!snapshot) throw new Problem('token_revoked');
    return snapshot;
  }
}
