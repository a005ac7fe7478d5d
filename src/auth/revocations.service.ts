import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { clerkTimeSql } from '../clerk/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';
import { ChangeLog, DatabaseStartup, isDatabaseUnavailable, Pruning, safeMessage } from '../database/index.ts';
import { Metrics } from '../http/index.ts';
import type { Principal } from './principal.ts';
import type { RevokedKind } from './revocation.entity.ts';
import { type FoundRevocation, membershipKey, RevocationSet, revocableOf } from './revocation-set.ts';

const TOPIC = 'revocation';
/** No copy in memory is older than five minutes. */
const RELOAD_MS = 4 * 60_000;
const MAX_REMEMBERED = 500_000;
/** An API key may live for ever, and the marks of whose it is must outlive it. */
const FOR_GOOD_S = 100 * 365 * 86_400;
/** Longer than a good verdict on a key serves while Clerk is away; from then on Clerk refuses it. */
const API_KEY_KEPT_S = 600;

/**
 * Tokens that are refused although they are good: of sessions that ended, of tenants that are gone, and those issued before
 * a mark of their user or membership. All that can matter is in memory, so that asking costs no I/O; while memory cannot be
 * trusted the table is asked.
 */
@Injectable()
export class Revocations implements BeforeApplicationShutdown {
  readonly #logger = new Logger(Revocations.name);
  readonly #set: RevocationSet;
  readonly #keptS: number;
  #isComplete = false;
  /** Counts what may have been missed: a load that began before is no proof of anything. */
  #doubts = 0;
  #loading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly em: EntityManager,
    private readonly changes: ChangeLog,
    startup: DatabaseStartup,
    pruning: Pruning,
    metrics: Metrics,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#keptS = clerk.maxTokenLifetimeS + Math.ceil(clerk.clockSkewMs / 1000) + 1;
    this.#set = new RevocationSet(this.#keptS * 1000);
    pruning.forget('revocations', 'expires_at < now()');
    changes.listen(TOPIC, { one: (key) => this.#remember(key), all: () => this.#startOver() });
    // the position in the log is noted by then, so what commits during the load arrives by the log
    startup.beforeReady(() => this.#load());
    metrics.addGauge(
      'revocations',
      'Sessions, users, tenants and memberships whose tokens are refused',
      async () => this.#set.size,
    );
  }

  /** Asked last of all, before the handler. */
  isRefused(principal: Principal): boolean | Promise<boolean> {
    if (this.#set.refuses(principal)) return true;
    return this.changes.isCurrent && this.#isComplete ? false : this.#isRefusedInTable(principal);
  }

  /** Refuses every token of the session for ever. In the caller's transaction. */
  async revokeSession(em: EntityManager, sessionId: string): Promise<void> {
    await this.#record(em, 'session', sessionId, null);
  }

  /** Refuses the API key that Clerk has revoked, as long as a verdict from before may serve. In the caller's transaction. */
  async revokeApiKey(em: EntityManager, keyId: string): Promise<void> {
    await this.#record(em, 'api_key', keyId, null);
  }

  /**
   * Refuses the tokens that were issued to the user up to that time of Clerk's (milliseconds): to the whole second, since
   * `iat` has no finer. In the caller's transaction; an earlier time than is known changes nothing.
   */
  async revokeUpTo(em: EntityManager, userId: string, time: number): Promise<void> {
    await this.#record(em, 'user', userId, time);
  }

  /** As `revokeUpTo`, but of everybody's tokens those that have the tenant active (by its Clerk id). */
  async revokeTenant(em: EntityManager, tenantId: string, time: number): Promise<void> {
    await this.#record(em, 'tenant', tenantId, time);
  }

  /** As `revokeUpTo`, but of the user's tokens those alone that have the tenant active (both by their Clerk ids). */
  async revokeMembership(
    em: EntityManager,
    membership: { userId: string; tenantId: string },
    time: number,
  ): Promise<void> {
    await this.#record(em, 'membership', membershipKey(membership), time);
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#loading;
  }

  async #record(em: EntityManager, kind: RevokedKind, clerkId: string, time: number | null): Promise<void> {
    const given = [kind, clerkId, time, this.#keptFor(kind)];
    const [recorded] = await em.execute<{ not_before: string | null }[]>(RECORD, given);
    if (!recorded) return;
    const notBefore = recorded.not_before === null ? null : Number(recorded.not_before);
    this.changes.record(em, TOPIC, RevocationSet.keyOf(kind, clerkId, notBefore), { urgent: true });
  }

  /** In seconds: as long as a token that it refuses can live. */
  #keptFor(kind: RevokedKind): number {
    if (kind === 'user' || kind === 'tenant') return FOR_GOOD_S;
    return kind === 'api_key' ? API_KEY_KEPT_S : this.#keptS;
  }

  async #isRefusedInTable(principal: Principal): Promise<boolean> {
    try {
      for (const revocation of await this.#find(OF_CALLER, JSON.stringify(revocableOf(principal))))
        this.#set.add(revocation);
      return this.#set.refuses(principal);
    } catch (error) {
      if (!isDatabaseUnavailable(error) || !this.#isComplete || !this.changes.isRecent) throw error;
      return false;
    }
  }

  #remember(key: string): void {
    if (this.#set.size < MAX_REMEMBERED) this.#set.addKey(key);
    else this.#doubt();
  }

  /** Something may be missing in memory: the table is asked until it is loaded anew. */
  #startOver(): void {
    this.#doubt();
    this.#loadAgain();
  }

  #doubt(): void {
    this.#doubts++;
    this.#isComplete = false;
  }

  async #load(): Promise<void> {
    const doubts = this.#doubts;
    const found = await this.#find(LIVING, MAX_REMEMBERED);
    this.#set.forgetExpired();
    for (const revocation of found) this.#set.add(revocation);
    if (doubts === this.#doubts) this.#isComplete = found.length < MAX_REMEMBERED;
    if (found.length === MAX_REMEMBERED)
      this.#logger.warn('too many revocations to remember; each verdict asks the table');
    this.#timer ??= setInterval(() => this.#loadAgain(), RELOAD_MS).unref();
  }

  /** How long each counts is the database's word: the clock of this process may be set at any moment. */
  async #find(sql: string, parameter: string | number): Promise<FoundRevocation[]> {
    const rows = await this.em.fork().execute<FoundRow[]>(sql, [parameter]);
    return rows.map(({ kind, clerk_id: clerkId, not_before: notBefore, left_ms: leftMs }) => ({
      kind,
      clerkId,
      notBefore: notBefore === null ? null : Number(notBefore),
      leftMs: Number(leftMs),
    }));
  }

  #loadAgain(): void {
    const load = (this.#loading ?? Promise.resolve()).then(() => this.#load());
    this.#loading = load.catch((error: Error) =>
      this.#logger.warn(`cannot load the revocations: ${safeMessage(error)}`),
    );
  }
}

interface FoundRow {
  kind: RevokedKind;
  clerk_id: string;
  not_before: string | null;
  left_ms: string;
}

const FOUND =
  'select kind, clerk_id, not_before, extract(epoch from expires_at - now()) * 1000 as left_ms from revocations';

const LIVING = `${FOUND} where expires_at > now() limit ?`;

const OF_CALLER = `
${FOUND} where (kind, clerk_id) in
  (select kind, "clerkId" from jsonb_to_recordset(?::jsonb) as caller (kind text, "clerkId" text))`;

/** A mark only ever moves on, so neither order nor duplicates of events matter; one that no living token is before is none. */
const RECORD = `
with told as (select ?::text as kind, ?::text as clerk_id, ?::bigint as said, ?::bigint as kept_s),
counted as (select kind, clerk_id, kept_s, said is null as for_ever, ${clerkTimeSql('said')} as ms from told),
marks as (
  select kind, clerk_id, case when not for_ever then ms / 1000 + 1 end as not_before,
         case when for_ever then now() else to_timestamp(ms / 1000 + 1) end + make_interval(secs => kept_s) as expires_at
  from counted
)
insert into revocations as stored (kind, clerk_id, not_before, expires_at)
select * from marks where expires_at > now()
on conflict (kind, clerk_id) do update set not_before = excluded.not_before, expires_at = excluded.expires_at
where stored.not_before < excluded.not_before
returning not_before`;
