import { z } from 'zod';

export const Live = z.object({ status: z.literal('ok') }).meta({ id: 'Live' });
export type Live = z.input<typeof Live>;

const Check = z.object({ status: z.enum(['up', 'down']), reason: z.string().optional() });

export const Ready = z
  .object({
    status: z.string(),
    checks: z.record(z.string(), Check),
    details: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
  })
  .meta({ id: 'Ready' });
export type Ready = z.input<typeof Ready>;
