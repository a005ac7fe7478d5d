import { defineEntity, p } from '@mikro-orm/core';

const StoredKeysSchema = defineEntity({
  name: 'StoredKeys',
  tableName: 'verification_keys',
  properties: {
    issuer: p.text().primary(),
    /** Sealed, under the issuer's name; of a row that somebody else wrote it may be anything. */
    keys: p.json<unknown>(),
    fetchedAt: p.datetime(),
  },
});

/** The last good public keys of an issuer, so that a restart while Clerk is away still serves. */
export class StoredKeys extends StoredKeysSchema.class {}
StoredKeysSchema.setClass(StoredKeys);
