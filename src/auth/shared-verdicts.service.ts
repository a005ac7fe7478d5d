import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import {
  ageOf,
  isFresh,
  type MachineVerdict,
  received,
  SERVABLE_MS,
  type SharedVerdict,
  sharedOf,
} from './machine-verdict.ts';
import { Redis } from './redis.service.ts';
import { Seal } from './seal.ts';

/** The number rises with the shape of SharedVerdict: what another version sealed is then not read. */
const PURPOSE = 'gatehouse machine verdicts 2';
const MAX_BYTES = 65_536;
/** Longer than Clerk is waited for, as a rule; where it is not, Clerk is asked once more. */
const LEASE_MS = 2500;
const POLL_MS = 20;
/** A UUID (RFC 9562). */
const HOLDER = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
/** Ends a lease that is still ours. */
const END_LEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end";

/**
 * Verdicts that processes share, in Redis where there is one: each call to Clerk is paid for. They are sealed with a key that
 * derives from ours, since who can write to Redis must not make principals; and with all that decides what is good, since
 * another service on that Redis may take other tokens.
 */
@Injectable()
export class SharedVerdicts {
  readonly #seal: Seal;

  constructor(
    private readonly redis: Redis,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    const { secretKey, machineSecretKey = '', apiUrl, issuers } = clerk;
    this.#seal = new Seal(JSON.stringify([secretKey, machineSecretKey, apiUrl, issuers]), PURPOSE);
  }

  /** Good, if not always fresh: then it tells that the token was good, and not that it is. */
  async find(key: string): Promise<MachineVerdict | undefined> {
    const closed = await this.redis.ask((client) => client.getRange(this.#entry(key), 0, MAX_BYTES));
    const text = closed ? this.#seal.open(closed, key) : undefined;
    const leftMs = text && (await this.redis.ask((client) => client.pTTL(this.#entry(key))));
    return text && leftMs ? received(JSON.parse(text) as SharedVerdict, SERVABLE_MS - leftMs) : undefined;
  }

  /** One process at a time asks; the others wait for what it learns. */
  async learn(key: string, ask: () => Promise<MachineVerdict>): Promise<MachineVerdict> {
    const holder = randomUUID();
    const told = (await this.#isLeased(key, holder)) ? await this.#toldByAnother(key) : undefined;
    if (told) return told;
    try {
      const verdict = await ask();
      await this.#keep(key, verdict);
      return verdict;
    } finally {
      await this.redis.ask((client) => client.eval(END_LEASE, { keys: [this.#lease(key)], arguments: [holder] }));
    }
  }

  async forget(key: string): Promise<void> {
    await this.redis.ask((client) => client.del(this.#entry(key)));
  }

  /** By another process; else it is ours from now on, or there is no Redis. */
  async #isLeased(key: string, holder: string): Promise<boolean> {
    const expiration = { type: 'PX', value: LEASE_MS } as const;
    const set = await this.redis.ask((client) => client.set(this.#lease(key), holder, { condition: 'NX', expiration }));
    return set === null;
  }

  async #toldByAnother(key: string): Promise<MachineVerdict | undefined> {
    const until = performance.now() + LEASE_MS;
    while (performance.now() < until) {
      const isAsking = await this.#isAsking(key);
      const verdict = await this.find(key);
      if (verdict && isFresh(verdict)) return verdict;
      if (!isAsking) return undefined;
      await sleep(POLL_MS);
    }
    return undefined;
  }

  /** A lease that has not the form and the end of ours was planted, and each question would wait for nothing. */
  async #isAsking(key: string): Promise<boolean> {
    const lease = this.#lease(key);
    const read = await this.redis.ask((client) =>
      Promise.all([client.getRange(lease, 0, MAX_BYTES), client.pTTL(lease)]),
    );
    const [holder, leftMs = 0] = read ?? [];
    return HOLDER.test(holder ?? '') && leftMs > 0 && leftMs <= LEASE_MS;
  }

  async #keep(key: string, verdict: MachineVerdict): Promise<void> {
    const closed = this.#seal.close(JSON.stringify(sharedOf(verdict)), key);
    const expiration = { type: 'PX', value: Math.ceil(SERVABLE_MS - ageOf(verdict)) } as const;
    if (isFresh(verdict) && closed.length <= MAX_BYTES)
      await this.redis.ask((client) => client.set(this.#entry(key), closed, { expiration }));
  }

  #entry(key: string): string {
    return `gatehouse:machine:${this.#seal.id}:${key}`;
  }

  #lease(key: string): string {
    return `gatehouse:machine-lease:${this.#seal.id}:${key}`;
  }
}
