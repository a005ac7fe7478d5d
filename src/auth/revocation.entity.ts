import { defineEntity, p } from '@mikro-orm/core';

/** Whose tokens are refused: of a session, of a user, of a tenant, of a user in a tenant, or an API key. */
export type RevokedKind = 'session' | 'user' | 'tenant' | 'membership' | 'api_key';

const RevocationSchema = defineEntity({
  name: 'Revocation',
  tableName: 'revocations',
  primaryKeys: ['kind', 'clerkId'],
  properties: {
    kind: p.text().$type<RevokedKind>().primary(),
    /** Of a membership, which has no id in a token, the pair: `user_…/org_…`. */
    clerkId: p.text().primary(),
    /** Tokens issued before this second (Unix time) are refused; null: all are, for ever. */
    notBefore: p.bigint('number').nullable(),
    /** When no token that it refuses can be alive. */
    expiresAt: p.datetime().index(),
  },
});

/** What withdraws tokens before they expire. */
export class Revocation extends RevocationSchema.class {}
RevocationSchema.setClass(Revocation);
