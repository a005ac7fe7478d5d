import { EntityManager, LockMode } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { type ClaimedUser, claimedUserOf, type Principal, UserStates } from '../auth/index.ts';
import { ClerkApi } from '../clerk/index.ts';
import { announceUpdates, ChangeLog, Followed, SingleFlight, safeMessage, transaction } from '../database/index.ts';
import { Problem } from '../http/index.ts';
import { type ProfileChanges, User } from './user.entity.ts';
import { factsOfClaims, factsOfUser, type UserFacts } from './user-facts.ts';
import { USER_CHANGED, UserMirror } from './user-mirror.service.ts';
import { loadSnapshot, type UserSnapshot } from './user-snapshot.ts';

const MAX_SNAPSHOTS = 10_000;
/** Between two tries to complete the profile of one user. */
const COMPLETION_PAUSE_MS = 10_000;
/** How long a user whom Clerk does not know is not asked for again. */
const ABSENCE_MS = 60_000;

/** The people who sign in: found or created, known from memory, never twice. */
@Injectable()
export class UsersService implements UserStates, BeforeApplicationShutdown {
  readonly #logger = new Logger(UsersService.name);
  readonly #snapshots: Followed<UserSnapshot>;
  /** One creation for all requests of a new user: so Clerk is asked once. */
  readonly #creating = new SingleFlight<void>();
  readonly #absent = new LRUCache<string, true>({ max: MAX_SNAPSHOTS, ttl: ABSENCE_MS });
  readonly #completing = new Set<Promise<void>>();
  readonly #completed = new LRUCache<string, true>({ max: MAX_SNAPSHOTS, ttl: COMPLETION_PAUSE_MS });

  constructor(
    private readonly em: EntityManager,
    private readonly clerk: ClerkApi,
    private readonly mirror: UserMirror,
    changes: ChangeLog,
  ) {
    const load = (clerkId: string) => loadSnapshot(em.fork(), clerkId);
    announceUpdates(em, changes, { entity: User, topic: USER_CHANGED, keyOf: (user) => user.clerkId });
    this.#snapshots = new Followed(changes, { topic: USER_CHANGED, max: MAX_SNAPSHOTS, load });
  }

  isRefused(user: ClaimedUser): boolean | Promise<boolean> {
    const known = this.#snapshots.peek(user.sub);
    return known ? known.isRefused : this.#findOrCreate(user).then(({ isRefused }) => isRefused);
  }

  /**
   * The caller's row. A user whose token is refused stays refused, whatever the token says. Throws `token_type_not_accepted`
   * for a machine that calls for no user.
   */
  async findOrCreate(principal: Principal): Promise<UserSnapshot> {
    const user = claimedUserOf(principal);
    if (!user)
      throw new Problem('token_type_not_accepted', { detail: 'The route needs a user, and the token is of none.' });
    const snapshot = await this.#findOrCreate(user);
    if (snapshot.isRefused) throw new Problem('token_revoked');
    if (snapshot.isIncomplete) this.#completeLater(user.sub);
    return snapshot;
  }

  /** Saves the user's own settings; every process forgets its copy. */
  async changeProfile({ id, clerkId }: User, changes: ProfileChanges): Promise<UserSnapshot> {
    await transaction(this.em.fork(), async (em) => {
      // read anew: against a copy that is behind, a value that was changed meanwhile would pass for unchanged
      const user = await em.findOneOrFail(User, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      // deleted since the request was let in: a tombstone keeps nothing
      if (user.deletedAt) throw new Problem('token_revoked');
      user.changeProfile(changes);
    });
    return this.#reload(clerkId);
  }

  /** What nobody waits for ends while the database is still open. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.#completing);
  }

  async #findOrCreate(user: ClaimedUser): Promise<UserSnapshot> {
    return (await this.#snapshots.find(user.sub)) ?? this.#create(user);
  }

  async #create(user: ClaimedUser): Promise<UserSnapshot> {
    await this.#creating.run(user.sub, () => this.#firstSight(factsOfClaims(user)));
    return (await this.#snapshots.find(user.sub)) ?? this.#reload(user.sub);
  }

  /** A token outlives its user by a minute: one that Clerk does not know any more is not made. */
  async #firstSight(claimed: UserFacts): Promise<void> {
    // whoever found nothing may have looked before the row was there, and come here after it was made
    if (await this.#snapshots.reload(claimed.clerkId)) return;
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
    const completing = this.#complete(clerkId)
      .catch((error: Error) => this.#logger.warn(`cannot complete a profile: ${safeMessage(error)}`))
      .finally(() => this.#completing.delete(completing));
    this.#completing.add(completing);
  }

  async #complete(clerkId: string): Promise<void> {
    const user = await this.clerk.findUser(clerkId);
    if (typeof user === 'object') await this.#mirror(factsOfUser(user));
  }

  async #mirror(facts: UserFacts): Promise<void> {
    await transaction(this.em.fork(), (em) => this.mirror.mirror(em, facts));
  }

  async #reload(clerkId: string): Promise<UserSnapshot> {
    const snapshot = await this.#snapshots.reload(clerkId);
    if (!snapshot) throw new Problem('token_revoked');
    return snapshot;
  }
}
