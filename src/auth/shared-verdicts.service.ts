import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import { isFresh, type MachineVerdict, msServable, received } from './machine-verdict.ts';
import { Redis } from './redis.service.ts';
import { Seal } from './seal.ts';

const MAX_BYTES = 65_536;
/** Longer than Clerk is waited for. */
const CLAIM_MS = 3000;
const POLL_MS = 20;

const entry = (key: string) => `gatehouse:machine:${key}`;
const claim = (key: string) => `gatehouse:machine-claim:${key}`;

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
    this.#seal = new Seal(clerk.secretKey, 'gatehouse machine verdicts 1');
  }

  /** Good, if not always fresh. */
  async find(key: string): Promise<MachineVerdict | undefined> {
    const closed = await this.redis.ask((client) => client.getRange(entry(key), 0, MAX_BYTES));
    const text = closed ? this.#seal.open(closed, key) : undefined;
    return text === undefined ? undefined : received(JSON.parse(text) as MachineVerdict);
  }

  /** Waits while another process asks Clerk, for what it learns. Undefined: it is ours to ask, and to `release` it then. */
  async claim(key: string): Promise<MachineVerdict | undefined> {
    const isTaken = await this.redis.ask((client) =>
      client.set(claim(key), '', { condition: 'NX', expiration: { type: 'PX', value: CLAIM_MS } }),
    );
    if (isTaken !== null) return undefined;
    const until = performance.now() + CLAIM_MS;
    for (let isAsking = true; isAsking && performance.now() < until; ) {
      await sleep(POLL_MS);
      isAsking = (await this.redis.ask((client) => client.exists(claim(key)))) === 1;
      const verdict = await this.find(key);
      if (verdict && isFresh(verdict)) return verdict;
    }
    return undefined;
  }

  async release(key: string): Promise<void> {
    await this.redis.ask((client) => client.del(claim(key)));
  }

  async keep(key: string, verdict: MachineVerdict): Promise<void> {
    const closed = this.#seal.close(JSON.stringify(verdict), key);
    const value = Math.ceil(msServable(verdict));
    if (value > 0 && closed.length <= MAX_BYTES)
      await this.redis.ask((client) => client.set(entry(key), closed, { expiration: { type: 'PX', value } }));
  }

  async forget(key: string): Promise<void> {
    await this.redis.ask((client) => client.del(entry(key)));
  }
}
