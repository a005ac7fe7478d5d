import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ClerkId } from './clerk-values.schema.ts';

/** Stands for an object of Clerk's that is there but cannot be read, so that it is neither lost nor taken for gone. */
export class Unreadable {
  /** Clerk's id of it, or a digest of what has none: so that it is named once. */
  constructor(readonly id: string) {}
}

const Identified = z.looseObject({ id: ClerkId });

/** Reads the object, or an Unreadable in its place: one that is malformed must not stop the rest of a list. */
export function readable<Item extends z.ZodType>(item: Item) {
  return z.unknown().transform((value): z.output<Item> | Unreadable => {
    const { success, data } = item.safeParse(value);
    return success ? data : new Unreadable(nameOf(value));
  });
}

/** Those that can be read, and the ids of the others. */
export function sortOut<Item extends object>(all: (Item | Unreadable)[]): { items: Item[]; unreadable: string[] } {
  const items = all.filter((each): each is Item => !(each instanceof Unreadable));
  const unreadable = all.filter((each) => each instanceof Unreadable).map(({ id }) => id);
  return { items, unreadable };
}

function nameOf(value: unknown): string {
  const { data } = Identified.safeParse(value);
  return data?.id ?? `without an id, SHA-256 ${createHash('sha256').update(JSON.stringify(value)).digest('hex')}`;
}
