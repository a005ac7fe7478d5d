import { z } from 'zod';

/** A time in an answer: a Date here, ISO 8601 in UTC for the client. */
export const Time = z
  .date()
  .transform((at) => at.toISOString())
  .pipe(z.string().meta({ format: 'date-time' }));
