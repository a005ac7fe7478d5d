import { defineEntity, p } from '@mikro-orm/core';
import type { JsonWebKey } from '../clerk/index.ts';

const StoredKeysSchema = defineEntity({
  name: 'StoredKeys',
  tableName: 'verification_keys',
  properties: {
    issuer: p.text().primary(),
    keys: p.json<JsonWebKey[]>(),
    fetchedAt: p.datetime(),
  },
});

/** The last good public keys of an issuer, so that a restart while Clerk is away still serves. */
export class StoredKeys extends StoredKeysSchema.class {}
StoredKeysSchema.setClass(StoredKeys);
