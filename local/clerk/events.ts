import { newId } from './ids.ts';
import { type Delivery, type Fault, WebhookSender } from './webhook-sender.ts';

const MAX_KEPT = 1000;
const DELAY_MS = 5000;

/** The body of a webhook, as Clerk sends it; `timestamp` in milliseconds. */
export interface ClerkEvent {
  data: object;
  object: 'event';
  type: string;
  timestamp: number;
  instance_id: string;
  event_attributes: { http_request: { client_ip: string; user_agent: string } };
}

/** Says what changed, as the type of Clerk's event and its data. */
export type Tell = (type: string, data: object) => void;

export interface EventOptions {
  instanceId: string;
  /** `whsec_…`. */
  secret: string;
  /** The waits between the attempts. */
  retryMs?: number[];
}

export interface Sending {
  fault?: Fault;
  /** Of the fault `delay`: how much later. */
  delayMs?: number;
}

/** Clerk's events on their way to one address: kept, listed, sent again, and spoiled on demand. */
export class Events {
  /** Where they go; while it is undefined nothing is sent or kept. */
  url: string | undefined;
  readonly #options: EventOptions;
  readonly #sender: WebhookSender;
  readonly #deliveries = new Map<string, Delivery>();
  #held: Delivery[] = [];
  #next: Sending = {};

  constructor(options: EventOptions) {
    this.#options = options;
    this.#sender = new WebhookSender(options.secret, options.retryMs);
  }

  /** Sends an event soon, in the order of the calls; answers its `svix-id`, or undefined where there is no address. */
  send(type: string, data: object, sending?: Sending): string | undefined {
    const { fault, delayMs = DELAY_MS } = sending ?? this.#next;
    if (!sending) this.#next = {};
    if (!this.url) return undefined;
    const delivery = this.#keep(this.url, type, data, fault);
    if (fault === 'drop') delivery.state = 'dropped';
    else if (fault === 'delay') this.#sender.later(delivery, delayMs);
    else if (fault === 'reorder') this.#held.push(delivery);
    else this.#sender.now(delivery, ...(fault === 'duplicate' ? [delivery] : []), ...this.#held.splice(0));
    return delivery.id;
  }

  /** The next event of a change suffers this. */
  spoilNext(sending: Sending): void {
    this.#next = sending;
  }

  /** Sends it once more, now without a fault, under the same `svix-id`; false when it is not kept. */
  replay(id: string): boolean {
    const delivery = this.#deliveries.get(id);
    if (!delivery) return false;
    this.#held = this.#held.filter((held) => held !== delivery);
    Object.assign(delivery, { fault: undefined, state: 'pending', failures: 0, url: this.url ?? delivery.url });
    this.#sender.now(delivery);
    return true;
  }

  /** The last thousand, newest first. */
  list() {
    return [...this.#deliveries.values()]
      .toReversed()
      .map(({ id, type, createdAt, state, fault, attempts, lastStatus }) => ({
        id,
        type,
        created_at: createdAt,
        state,
        fault: fault ?? null,
        attempts,
        last_status: lastStatus,
      }));
  }

  /** Nothing is sent any more. */
  close(): void {
    this.url = undefined;
    this.#sender.close();
  }

  #keep(url: string, type: string, data: object, fault: Fault | undefined): Delivery {
    const event = eventOf(this.#options.instanceId, type, data);
    const delivery: Delivery = {
      id: newId('msg'),
      url,
      type,
      body: JSON.stringify(event),
      createdAt: event.timestamp,
      fault,
      state: 'pending',
      attempts: 0,
      failures: 0,
      lastStatus: null,
    };
    this.#deliveries.set(delivery.id, delivery);
    const [oldest] = this.#deliveries.keys();
    if (this.#deliveries.size > MAX_KEPT && oldest) this.#deliveries.delete(oldest);
    return delivery;
  }
}

/** Clerk's envelope around the data of an event that happens now, or then. */
export function eventOf(instanceId: string, type: string, data: object, timestamp = Date.now()): ClerkEvent {
  return {
    data,
    object: 'event',
    type,
    timestamp,
    instance_id: instanceId,
    event_attributes: { http_request: { client_ip: '127.0.0.1', user_agent: 'local Clerk' } },
  };
}
