import { defineEntity, p } from '@mikro-orm/core';
import { mirrored } from '../clerk/mirrored.entity.ts';
import { times } from '../database/columns.entity.ts';
import { TenantScoped } from '../database/scoped.entity.ts';

export type InvitationStatus = 'pending' | 'accepted' | 'revoked' | 'expired';

const InvitationSchema = defineEntity({
  name: 'Invitation',
  tableName: 'invitations',
  extends: TenantScoped,
  properties: {
    clerkId: p.text(),
    email: p.text(),
    role: p.text(),
    status: p.text().$type<InvitationStatus>(),
    expiresAt: p.datetime().nullable(),
    ...mirrored,
    ...times,
  },
  uniques: [{ properties: ['tenantId', 'clerkId'] }],
});

/** An address that was asked to join a tenant. Its ticket is Clerk's alone. */
export class Invitation extends InvitationSchema.class {}
InvitationSchema.setClass(Invitation);
