import { defineEntity, p } from '@mikro-orm/core';

const KnownKeySchema = defineEntity({
  name: 'KnownKey',
  tableName: 'known_keys',
  properties: {
    /** SHA-256 of the whole token, in base64url. */
    hash: p.text().primary(),
    provenAt: p.datetime().index(),
  },
});

/** A machine's token that Clerk called good in these days. It says nothing of whether it still is. */
export class KnownKey extends KnownKeySchema.class {}
KnownKeySchema.setClass(KnownKey);
