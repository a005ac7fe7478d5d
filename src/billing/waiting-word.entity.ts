import { defineEntity, p } from '@mikro-orm/core';
import { id } from '../database/columns.entity.ts';

const WaitingWordSchema = defineEntity({
  name: 'WaitingWord',
  tableName: 'waiting_billing',
  properties: {
    id,
    /** The provider's ids, by any of which its payer may become known. */
    providerIds: p.array(),
    word: p.json<object>(),
    at: p.datetime().defaultRaw('now()'),
  },
  indexes: [{ properties: ['providerIds'], type: 'gin' }],
});

/** What an event said of a payer that it did not name, until somebody does. */
export class WaitingWord extends WaitingWordSchema.class {}
WaitingWordSchema.setClass(WaitingWord);
