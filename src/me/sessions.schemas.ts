import { z } from 'zod';
import { Time } from '../http/index.ts';

const Session = z
  .object({
    id: z.string().meta({ description: "Clerk's" }),
    isCurrent: z.boolean().meta({ description: 'The one of this very call' }),
    device: z.string().nullable(),
    browser: z.string().nullable(),
    city: z.string().nullable(),
    country: z.string().nullable(),
    lastActiveAt: Time.nullable(),
    createdAt: Time.nullable(),
    expiresAt: Time.nullable(),
  })
  .meta({ id: 'Session' });

export const Sessions = z
  .object({ data: z.array(Session), nextCursor: z.null() })
  .meta({ id: 'Sessions', description: 'All of them: at most a hundred' });
export type Sessions = z.input<typeof Sessions>;
