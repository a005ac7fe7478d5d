import { defineEntity, p } from '@mikro-orm/core';
import { mirrored } from '../clerk/mirrored.entity.ts';
import { times } from '../database/columns.entity.ts';
import { PersonalTenantScoped } from '../database/scoped.entity.ts';
import { User } from '../users/user.entity.ts';
import { Tenant } from './tenant.entity.ts';

const MembershipSchema = defineEntity({
  name: 'Membership',
  tableName: 'memberships',
  extends: PersonalTenantScoped,
  properties: {
    tenant: () => p.manyToOne(Tenant).joinColumn('tenant_id').persist(false),
    user: () => p.manyToOne(User).joinColumn('user_id').persist(false),
    /** Clerk's; null until an event or an answer brings it to the row that claims made. */
    clerkId: p.text().nullable(),
    /** `org:admin`. */
    role: p.text(),
    /** When it ended; a pair has one row, whose membership may be the next one at Clerk. */
    endedAt: p.datetime().nullable(),
    /** An admin who is asked to go does not count as one from then on, for a while: two cannot both be the last but one. */
    leavingSince: p.datetime().nullable(),
    /** When Clerk made the membership of that id, in milliseconds: which of a pair's is the latest. */
    clerkCreatedAt: p.bigint('number').default(0),
    ...mirrored,
    ...times,
  },
  uniques: [{ properties: ['tenantId', 'userId'] }],
  indexes: [{ properties: ['tenantId', 'clerkId'] }],
});

/** A user in a tenant, with a role. */
export class Membership extends MembershipSchema.class {}
MembershipSchema.setClass(Membership);
