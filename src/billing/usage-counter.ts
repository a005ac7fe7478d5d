import type { Allowance } from './allowance.ts';
import type { Payer } from './payer.ts';
import { sqlArray } from './sql-array.ts';

/** Sends one statement to PostgreSQL: alone, or in a transaction. */
export type Send = <Row extends object>(sql: string, parameters: unknown[]) => Promise<Row[]>;

/** What is counted, and up to where. */
export interface Counter {
  readonly payer: Payer;
  readonly meter: string;
  readonly periodStart: Date;
  /** Null: whatever is asked for is granted. */
  readonly limit: number | null;
}

export interface Asked {
  /** UUID, of the reservation if there is one. */
  readonly id: string;
  readonly amount: number;
  readonly key: string | null;
}

export interface Taken {
  /** With what was granted. */
  readonly used: number;
  readonly isGranted: boolean;
  /** Another amount was counted under its key. */
  readonly isKeyReused?: boolean;
}

/** How long a reservation counts that nobody confirms. */
const HOLD_MS = 60_000;

/** The limit of what may be counted: a soft one is only told, and stops nothing. */
export function counterOf(payer: Payer, { meter, periodStart, limit, isHard }: Allowance): Counter {
  return { payer, meter, periodStart, limit: isHard ? limit : null };
}

/** Counts what fits, each on its own, in the order in which it is asked for. */
export async function takeUsage(
  send: Send,
  counter: Counter,
  asked: Asked[],
  { isHeld } = { isHeld: false },
): Promise<Taken[]> {
  const { payer, meter, periodStart, limit } = counter;
  const [row] = await send<{ used: string; granted: (boolean | null)[] }>(
    "select * from take_usage(?, ?, ?, ?, ?, ?, ?, ?, ? * interval '1 ms')",
    [
      payer.id,
      payer.kind,
      meter,
      periodStart,
      limit,
      sqlArray(asked.map(({ amount }) => String(amount))),
      sqlArray(asked.map(({ key }) => key)),
      sqlArray(asked.map(({ id }) => id)),
      isHeld ? HOLD_MS : null,
    ],
  );
  const used = Number(row?.used);
  return asked.map((_, place) => {
    const granted = row?.granted[place];
    return { used, isGranted: granted === true, isKeyReused: granted === null };
  });
}

/** What became of a reservation that was to be final. */
type Confirmed = 'final' | 'lapsed' | 'nothing written';

/** Makes a reservation final; with `ifWritten` only where the transaction has written. */
export async function confirmUsage(
  send: Send,
  { payer, id }: { payer: Payer; id: string },
  { ifWritten }: { ifWritten: boolean },
): Promise<Confirmed> {
  const [row] = await send<{ confirmed: boolean | null }>('select confirm_usage(?, ?, ?, ?) as confirmed', [
    payer.id,
    payer.kind,
    id,
    ifWritten,
  ]);
  if (row?.confirmed) return 'final';
  return row?.confirmed === false ? 'lapsed' : 'nothing written';
}

/** Takes a reservation back, unless it was confirmed or has lapsed. */
export async function releaseUsage(send: Send, payer: Payer, id: string): Promise<void> {
  await send('select release_usage(?, ?, ?)', [payer.id, payer.kind, id]);
}

/** Takes back what is final; with the key of something consumed that, once. */
export async function giveBackUsage(send: Send, counter: Counter, amount: number, key: string | null): Promise<void> {
  const { payer, meter, periodStart } = counter;
  await send('select give_back_usage(?, ?, ?, ?, ?, ?)', [payer.id, payer.kind, meter, periodStart, amount, key]);
}

/** Less what has lapsed. */
export async function readUsage(send: Send, { payer, meter, periodStart }: Counter): Promise<number> {
  const sql = 'select read_usage(?, ?, ?, ?) as used';
  const [row] = await send<{ used: string }>(sql, [payer.id, payer.kind, meter, periodStart]);
  return Number(row?.used);
}
