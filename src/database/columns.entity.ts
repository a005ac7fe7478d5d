import { p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

/** Our own id, which sorts by creation (UUIDv7). */
export const id = p
  .uuid()
  .primary()
  .onCreate(() => uuidv7());

/** When a row was made and last changed, for `properties: { …, ...times }`. */
export const times = {
  createdAt: p.datetime().defaultRaw('now()'),
  updatedAt: p
    .datetime()
    .defaultRaw('now()')
    .onUpdate(() => new Date()),
};
