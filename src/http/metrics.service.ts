import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

const SOON_MS = 300;

/** Where modules register what /metrics shows, and what /readyz tells beside its checks. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  readonly #details = new Map<string, () => Promise<object>>();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Adds a figure that is read when it is asked for; null, or when it cannot be read: there is none now. */
  addGauge(name: string, help: string, read: () => Promise<number | null>): void {
    const gauge = new Gauge({
      name: `gatehouse_${name}`,
      help,
      registers: [],
      async collect() {
        const value = await read().catch(() => null);
        if (value === null) this.remove();
        else this.set(value);
      },
    });
    this.registry.registerMetric(gauge);
  }

  /** Adds what only grows, by outcome; call it at each. */
  addCounter(name: string, help: string): (outcome: string) => void {
    const counter = new Counter({
      name: `gatehouse_${name}_total`,
      help,
      labelNames: ['outcome'],
      registers: [this.registry],
    });
    return (outcome) => counter.inc({ outcome });
  }

  /** Adds what an operator may want to know; it decides nothing. */
  addDetail(name: string, read: () => Promise<object>): void {
    this.#details.set(name, read);
  }

  /** What cannot be read, or not soon, is left out: whoever probes does not wait for it. */
  async details(): Promise<Record<string, object>> {
    const read = [...this.#details].map(async ([name, detail]) => [name, await soon(detail())] as const);
    const results = await Promise.allSettled(read);
    return Object.fromEntries(results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
  }
}

async function soon(reading: Promise<object>): Promise<object> {
  const late = setTimeout(SOON_MS, undefined, { ref: false }).then(() =>
    Promise.reject(new Error('It takes too long')),
  );
  return Promise.race([reading, late]);
}
