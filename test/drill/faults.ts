import { setTimeout as pause } from 'node:timers/promises';
import type { House } from './house.ts';
import type { Random } from './random.ts';
import type { Sender } from './sender.ts';

const MAX_HESITATION_MS = 50;
const MAX_AWAY_MS = 2000;
const DATABASE = -1;
const MISSING = `
  select id from unnest($1::text[]) as told (id)
  where not exists (select from inbox where inbox.id = told.id and status in ('processed', 'ignored'))`;

/** Kills servers, and crashes the database once half-way, after so and so many deliveries. */
export class Faults {
  /** Events that were acknowledged before a fault and not in the inbox after it. */
  readonly missing = new Set<string>();
  awayMs = 0;
  readonly #house: House;
  readonly #random: Random;
  readonly #plan: { after: number; victim: number }[];

  constructor(house: House, random: Random, deliveries: number, kills: number) {
    this.#house = house;
    this.#random = random;
    const aKill = () => ({ after: random.below(deliveries), victim: random.below(house.servers.length) });
    const plan = [{ after: deliveries / 2, victim: DATABASE }, ...Array.from({ length: kills }, aKill)];
    this.#plan = plan.toSorted((one, other) => one.after - other.after);
  }

  async run(sender: Sender): Promise<void> {
    for (const { after, victim } of this.#plan) {
      if (!(await sender.reached(after))) return;
      await pause(this.#random.below(MAX_HESITATION_MS));
      const acked = [...sender.acked];
      if (victim === DATABASE) await this.#crashDatabase();
      else this.#house.servers[victim]?.kill();
      for (const { id } of await this.#house.query<{ id: string }>(MISSING, [acked])) this.missing.add(id);
    }
  }

  async #crashDatabase(): Promise<void> {
    this.awayMs = this.#random.below(MAX_AWAY_MS);
    await this.#house.crashDatabase(this.awayMs);
  }
}
