import { z } from 'zod';

/** The last millisecond that a date can hold (ECMA-262, section 21.4.1.1). */
const MAX_TIME_MS = 8.64e15;

/** `user_…`, `sess_…` and the like. */
export const ClerkId = z.string().regex(/^[\w-]{1,200}$/, 'must be an id of Clerk');

/** Milliseconds, or seconds in some events; whole. */
export const ClerkTime = z.number().min(0).max(MAX_TIME_MS).transform(Math.trunc);

/** Brought to its full form, `org:admin`: older instances and examples of Clerk write `admin`. */
export const ClerkRole = z
  .string()
  .regex(/^[\w:.-]{1,200}$/, 'must be a role of Clerk')
  .overwrite(fullRole);

/** What may be missing counts as missing when it is malformed: it is no reason to lose the rest. */
export const LenientText = z.string().nullish().catch(null);
export const LenientId = ClerkId.nullish().catch(null);
export const LenientTime = ClerkTime.nullish().catch(null);
export const LenientNumber = z.number().nullish().catch(null);
export const LenientFlag = z.boolean().nullish().catch(null);

/** As Clerk's check reads a role: with the prefix once, however often the text has it. */
export function fullRole(role: string): string {
  return role.replace(/^(org:)*/, 'org:');
}

/** Without those of its entries that are malformed. The schema of an entry can be found in it: the inbox keeps what that names. */
export function lenientList<Item extends z.ZodType>(item: Item) {
  const entries = z.array(item.nullable().catch(null));
  const kept = entries.transform((all) => all.filter((each) => each !== null));
  return kept.nullish().catch(null);
}
