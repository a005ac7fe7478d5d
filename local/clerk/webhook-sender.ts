import { setTimeout as wait } from 'node:timers/promises';
import { Webhook } from 'svix';
import { createWebhookSecret } from './webhook-secret.ts';

/** Clerk's waits are up to ten hours; these fit an afternoon. */
const RETRY_MS = [1000, 5000, 30_000, 120_000, 300_000];
const TIMEOUT_MS = 15_000;
const MAX_CONCURRENT = 8;
/** An event that is not answered by then does not hold up the next. */
const IN_ORDER_MS = 1000;
const TOO_OLD_MS = 600_000;

export const FAULTS = ['duplicate', 'delay', 'reorder', 'drop', 'bad_signature', 'old_timestamp'] as const;
export type Fault = (typeof FAULTS)[number];

export interface Delivery {
  readonly id: string;
  url: string;
  readonly type: string;
  readonly body: string;
  readonly createdAt: number;
  fault: Fault | undefined;
  state: 'pending' | 'delivered' | 'failed' | 'dropped';
  attempts: number;
  failures: number;
  /** Null: no answer, or not sent yet. */
  lastStatus: number | null;
}

/** Delivers as Svix does: signed at each attempt, again until a 2xx. It never throws. */
export class WebhookSender {
  readonly #webhook: Webhook;
  readonly #impostor = new Webhook(createWebhookSecret());
  readonly #retryMs: number[];
  readonly #queue: Delivery[] = [];
  readonly #waiting = new Map<Delivery, NodeJS.Timeout>();
  readonly #closing = new AbortController();
  #isDraining = false;
  #running = 0;

  constructor(secret: string, retryMs = RETRY_MS) {
    this.#webhook = new Webhook(secret);
    this.#retryMs = retryMs;
  }

  now(...deliveries: Delivery[]): void {
    for (const delivery of deliveries) this.#stopWaiting(delivery);
    this.#queue.push(...deliveries);
    void this.#drain();
  }

  later(delivery: Delivery, ms: number): void {
    this.#waiting.set(delivery, setTimeout(() => this.now(delivery), ms).unref());
  }

  close(): void {
    this.#closing.abort();
    for (const delivery of this.#waiting.keys()) this.#stopWaiting(delivery);
    this.#queue.length = 0;
  }

  async #drain(): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    while (this.#running < MAX_CONCURRENT) {
      const delivery = this.#queue.shift();
      if (!delivery) break;
      await Promise.race([this.#deliver(delivery), wait(IN_ORDER_MS, undefined, { ref: false })]);
    }
    this.#isDraining = false;
  }

  async #deliver(delivery: Delivery): Promise<void> {
    this.#running += 1;
    delivery.attempts += 1;
    delivery.lastStatus = await this.#attempt(delivery).catch(() => null);
    this.#running -= 1;
    if (this.#closing.signal.aborted) return;
    if (isSuccess(delivery.lastStatus)) this.#succeed(delivery);
    else this.#retry(delivery);
    void this.#drain();
  }

  async #attempt({ id, url, body, fault }: Delivery): Promise<number> {
    const at = new Date(Date.now() - (fault === 'old_timestamp' ? TOO_OLD_MS : 0));
    const signer = fault === 'bad_signature' ? this.#impostor : this.#webhook;
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Svix-Webhooks/local',
        ...signed(signer, id, at, body),
      },
      body,
      redirect: 'manual',
      signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    await response.body?.cancel();
    return response.status;
  }

  #succeed(delivery: Delivery): void {
    this.#stopWaiting(delivery);
    delivery.state = 'delivered';
  }

  /** A duplicate of which one arrived, or waits already, needs no other. */
  #retry(delivery: Delivery): void {
    if (delivery.state === 'delivered' || this.#waiting.has(delivery)) return;
    const ms = this.#retryMs[delivery.failures];
    delivery.failures += 1;
    if (ms === undefined) delivery.state = 'failed';
    else this.later(delivery, ms);
  }

  #stopWaiting(delivery: Delivery): void {
    clearTimeout(this.#waiting.get(delivery));
    this.#waiting.delete(delivery);
  }
}

function isSuccess(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300;
}

/** The three headers of Svix over these very bytes. */
export function signed(webhook: Webhook, id: string, at: Date, body: string | Buffer): Record<string, string> {
  return {
    'svix-id': id,
    'svix-timestamp': String(Math.floor(at.getTime() / 1000)),
    'svix-signature': webhook.sign(id, at, body),
  };
}
