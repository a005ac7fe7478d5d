import { setTimeout as pause } from 'node:timers/promises';
import { Webhook } from 'svix';
import { signed } from '../../local/clerk/webhook-sender.ts';
import type { DrillEvent } from './events.ts';
import type { Random } from './random.ts';

const CONCURRENT = 16;
const TIMEOUT_MS = 15_000;
const FIRST_WAIT_MS = 20;
const MAX_WAIT_MS = 500;
const POLL_MS = 5;

interface Options {
  urls: string[];
  secret: string;
  random: Random;
  /** Ends it, whatever is not delivered yet. */
  signal: AbortSignal;
}

/** Delivers to any of the servers, signed anew at each attempt, again until a 2xx. */
export class Sender {
  /** Attempts, by what came of them. */
  readonly answers: Record<string, number> = {};
  /** Events that were answered with a 2xx. */
  readonly acked = new Set<string>();
  delivered = 0;
  readonly #options: Options;
  readonly #webhook: Webhook;

  constructor(options: Options) {
    this.#options = options;
    this.#webhook = new Webhook(options.secret);
  }

  async deliver(deliveries: DrillEvent[]): Promise<void> {
    const queue = deliveries.values();
    const work = async () => {
      for (const event of queue) await this.#deliver(event);
    };
    await Promise.all(Array.from({ length: CONCURRENT }, work));
  }

  /** Resolves once so many deliveries are done; to false when it was ended before. */
  async reached(deliveries: number): Promise<boolean> {
    while (this.delivered < deliveries && !this.#options.signal.aborted) await pause(POLL_MS);
    return this.delivered >= deliveries;
  }

  async #deliver(event: DrillEvent): Promise<void> {
    for (let attempt = 0; !this.#options.signal.aborted; attempt++) {
      const answer = await this.#attempt(event);
      this.answers[answer] = (this.answers[answer] ?? 0) + 1;
      if (answer.startsWith('2')) {
        this.acked.add(event.id);
        this.delivered += 1;
        return;
      }
      await pause(Math.min(FIRST_WAIT_MS * 2 ** attempt, MAX_WAIT_MS));
    }
  }

  async #attempt({ id, body }: DrillEvent): Promise<string> {
    const { urls, random, signal } = this.#options;
    const headers = { 'content-type': 'application/json', ...signed(this.#webhook, id, new Date(), body) };
    try {
      const response = await fetch(`${random.oneOf(urls)}/webhooks/clerk`, {
        method: 'POST',
        headers,
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      await response.body?.cancel();
      return String(response.status);
    } catch {
      return 'no answer';
    }
  }
}
