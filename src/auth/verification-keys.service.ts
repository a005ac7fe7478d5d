import { createPublicKey, type KeyObject } from 'node:crypto';
import { EntityManager } from '@mikro-orm/postgresql';
import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { ClerkApi, type JsonWebKey } from '../clerk/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';
import { DatabaseStartup, safeMessage } from '../database/index.ts';
import { Seal } from './seal.ts';
import { StoredKeys } from './stored-keys.entity.ts';

/** Between any two fetches, whatever tokens name: a `kid` is made up for free. */
const COOL_DOWN_MS = 30_000;
const REFRESH_MS = 5 * 60_000;
const TICK_MS = 10_000;
const MAX_KEYS = 20;
/** The number rises with the shape of what is sealed. */
const PURPOSE = 'gatehouse verification keys 1';
const MIN_MODULUS_CHARACTERS = 342; // 2048 bits in base64url

/**
 * The public keys that sign session tokens: CLERK_JWT_KEY, or Clerk's key set. The last good set is kept here and in
 * the database, so that tokens are verified while Clerk is away, also after a restart. There it is sealed: whoever can write to
 * the table, by an injection in a feature, would else sign tokens of anybody.
 */
@Injectable()
export class VerificationKeys implements BeforeApplicationShutdown {
  readonly #logger = new Logger(VerificationKeys.name);
  readonly #issuer: string;
  readonly #seal: Seal;
  readonly #fixed: KeyObject | undefined;
  readonly #onRemoved: (() => void)[] = [];
  #keys = new Map<string, KeyObject>();
  #moduli = new Set<string>();
  #stored = '';
  #fetching: Promise<void> | undefined;
  #lastAttemptAt = Number.NEGATIVE_INFINITY;
  #lastSuccessAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly clerk: ClerkApi,
    private readonly em: EntityManager,
    startup: DatabaseStartup,
    @Inject(SETTINGS) { clerk: { issuers, jwtKey, secretKey } }: Settings,
  ) {
    this.#issuer = issuers[0] ?? '';
    this.#seal = new Seal(secretKey, PURPOSE);
    this.#fixed = jwtKey;
    if (!jwtKey) startup.beforeReady(() => this.#start());
  }

  /** Whether there is any key to verify with. */
  get areKnown(): boolean {
    return this.#fixed !== undefined || this.#keys.size > 0;
  }

  /** Whether this process has the keys from Clerk itself: those in the table may be older ones, put back by somebody. */
  get areFetched(): boolean {
    return this.#fixed !== undefined || this.#lastSuccessAt > 0;
  }

  /** Calls back when a key is gone, and with it every verdict that rested on it. */
  onRemoved(forget: () => void): void {
    this.#onRemoved.push(forget);
  }

  /** The key of that id; undefined when Clerk has none, as far as we know. */
  async find(kid: string): Promise<KeyObject | undefined> {
    if (this.#fixed) return this.#fixed;
    if (!this.#keys.has(kid)) await this.#refresh();
    return this.#keys.get(kid);
  }

  /** Another key under that id, when a fetch brings one. */
  async renewed(kid: string): Promise<KeyObject | undefined> {
    if (this.#fixed) return undefined;
    const known = this.#keys.get(kid);
    await this.#refresh();
    const key = this.#keys.get(kid);
    return key === known ? undefined : key;
  }

  /** What is being fetched is stored while the database is still open. */
  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#fetching;
  }

  async #start(): Promise<void> {
    const stored = await this.#findStored();
    if (stored) {
      this.#use(JSON.parse(stored) as JsonWebKey[]);
      this.#stored = stored;
    }
    const fetched = this.#refresh();
    if (!stored) await fetched;
    this.#timer ??= setInterval(() => void this.#tick(), TICK_MS).unref();
  }

  /** Undefined: there are none, or none that were sealed with our key. */
  async #findStored(): Promise<string | undefined> {
    const row = await this.em.fork().findOne(StoredKeys, { issuer: this.#issuer });
    const keys = typeof row?.keys === 'string' ? this.#seal.open(row.keys, this.#issuer) : undefined;
    if (row && keys === undefined)
      this.#logger.warn('The stored verification keys are not sealed with CLERK_SECRET_KEY: they are fetched anew');
    return keys;
  }

  async #tick(): Promise<void> {
    if (!this.areKnown || performance.now() - this.#lastSuccessAt >= REFRESH_MS) await this.#refresh();
  }

  /** One fetch at a time, and none within the cool-down. A failure leaves the keys that are there. */
  async #refresh(): Promise<void> {
    if (this.#fetching) return this.#fetching;
    if (performance.now() - this.#lastAttemptAt < COOL_DOWN_MS) return;
    this.#lastAttemptAt = performance.now();
    this.#fetching = this.#fetch();
    await this.#fetching;
    this.#fetching = undefined;
  }

  async #fetch(): Promise<void> {
    try {
      const keys = await this.clerk.keys();
      this.#use(keys);
      this.#lastSuccessAt = performance.now();
      await this.#store(keys);
    } catch (error) {
      const left = this.areKnown ? 'the last good ones stay in use' : 'no token can be verified';
      this.#logger.warn(`cannot refresh the verification keys, ${left}: ${safeMessage(error)}`);
    }
  }

  #use(jwks: JsonWebKey[]): void {
    const usable = jwks.filter(isUsable).slice(0, MAX_KEYS);
    const keys = new Map(usable.flatMap((jwk) => imported(jwk)));
    if (keys.size === 0) throw new Error('there is no RSA key for RS256 among them');
    const moduli = new Set(usable.map(({ n }) => n));
    const removed = [...this.#moduli].some((n) => !moduli.has(n));
    this.#keys = keys;
    this.#moduli = moduli;
    if (removed) for (const forget of this.#onRemoved) forget();
  }

  async #store(keys: JsonWebKey[]): Promise<void> {
    const content = JSON.stringify(keys);
    if (content === this.#stored) return;
    await this.em.fork().upsert(StoredKeys, {
      issuer: this.#issuer,
      keys: this.#seal.close(content, this.#issuer),
      fetchedAt: new Date(),
    });
    this.#stored = content;
  }
}

type UsableKey = JsonWebKey & { kid: string; kty: 'RSA'; n: string; e: string };

function isUsable(jwk: JsonWebKey): jwk is UsableKey {
  const { kid, kty, n, e, alg, use } = jwk;
  const isForSignatures = (alg ?? 'RS256') === 'RS256' && (use ?? 'sig') === 'sig';
  return Boolean(kid && e && isForSignatures) && kty === 'RSA' && (n?.length ?? 0) >= MIN_MODULUS_CHARACTERS;
}

/** One malformed key does not cost the others. */
function imported({ kid, kty, n, e }: UsableKey): [string, KeyObject][] {
  try {
    return [[kid, createPublicKey({ key: { kty, n, e }, format: 'jwk' })]];
  } catch {
    return [];
  }
}
