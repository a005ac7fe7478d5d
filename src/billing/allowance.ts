/** When the period of a meter begins that does not reset. */
export const FOR_GOOD = new Date(0);

/** How much of a meter a payer may use, in which period. */
export interface Allowance {
  readonly meter: string;
  /** Null: no limit. */
  readonly limit: number | null;
  /** Beyond a limit that is not hard it is only told. */
  readonly isHard: boolean;
  readonly periodStart: Date;
  /** Null: it does not reset by itself. */
  readonly resetsAt: Date | null;
}
