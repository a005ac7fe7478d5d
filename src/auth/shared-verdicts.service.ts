import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import { isFresh, type MachineVerdict, msServable, received } from './machine-verdict.ts';
import { Redis } from './redis.service.ts';
import { Seal } from './seal.ts';

/** The number rises with the shape of MachineVerdict: what another version sealed is then not read. */
const PURPOSE = 'gatehouse machine verdicts 1';
const MAX_BYTES = 65_536;
/** Longer than Clerk is waited for, as a rule; where it is not, Clerk is asked once more. */
const LEASE_MS = 3000;
const POLL_MS = 20;
/** Ends a lease that is still ours. */
const END_LEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end";

const entry = (key: string) => `gatehouse:machine:${key}`;
const lease = (key: string) => `gatehouse:machine-lease:${key}`;

/**
 * Verdicts that processes share, in Redis where there is one: each call to Clerk is paid for. They are sealed with a key that
 * derives from ours, since who can write to Redis must not make principals.
 */
@Injectable()
export class SharedVerdicts {
  readonly #seal: Seal;

  constructor(
    private readonly redis: Redis,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#seal = new Seal(clerk.secretKey, PURPOSE);
  }

  /** Good, if not always fresh. */
  async find(key: string): Promise<MachineVerdict | undefined> {
    const closed = await this.redis.ask((client) => client.getRange(entry(key), 0, MAX_BYTES));
    const text = closed ? this.#seal.open(closed, key) : undefined;
    return text === undefined ? undefined : received(JSON.parse(text) as MachineVerdict);
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
      await this.redis.ask((client) => client.eval(END_LEASE, { keys: [lease(key)], arguments: [holder] }));
    }
  }

  async forget(key: string): Promise<void> {
    await this.redis.ask((client) => client.del(entry(key)));
  }

  /** By another process; else it is ours from now on, or there is no Redis. */
  async #isLeased(key: string, holder: string): Promise<boolean> {
    const expiration = { type: 'PX', value: LEASE_MS } as const;
    const set = await this.redis.ask((client) => client.set(lease(key), holder, { condition: 'NX', expiration }));
    return set === null;
  }

  async #toldByAnother(key: string): Promise<MachineVerdict | undefined> {
    const until = performance.now() + LEASE_MS;
    while (performance.now() < until) {
      await sleep(POLL_MS);
      const isAsking = await this.redis.ask((client) => client.exists(lease(key)));
      const verdict = await this.find(key);
      if (verdict && isFresh(verdict)) return verdict;
      if (!isAsking) return undefined;
    }
    return undefined;
  }

  async #keep(key: string, verdict: MachineVerdict): Promise<void> {
    const closed = this.#seal.close(JSON.stringify(verdict), key);
    const value = Math.ceil(msServable(verdict));
    if (value > 0 && closed.length <= MAX_BYTES)
      await this.redis.ask((client) => client.set(entry(key), closed, { expiration: { type: 'PX', value } }));
  }
}
