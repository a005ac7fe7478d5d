import { describe, expect, it } from '@jest/globals';
import { CLERK_EVENTS, type ClerkEvent, type ClerkEventType, ClerkUser } from '../src/clerk/index.ts';
import { Problem } from '../src/http/index.ts';
import { readEvent } from '../src/webhooks/received-event.ts';

const NOW = new Date('2026-11-24T12:00:00.000Z');
const ORGANIZATION = {
  id: 'org_1',
  name: 'Acme',
  slug: 'acme',
  max_allowed_memberships: 5,
  updated_at: 1_700_000_002_000,
};
const MEMBERSHIP = {
  id: 'orgmem_1',
  role: 'org:admin',
  organization: ORGANIZATION,
  public_user_data: { user_id: 'user_1', first_name: 'Ada' },
  updated_at: 1_700_000_003_000,
};
const INVITATION = { id: 'orginv_1', organization_id: 'org_1', email_address: 'eve@example.com', role: 'org:member' };

const read = (type: string, data: object, timestamp?: unknown) =>
  readEvent('msg_1', { type, data, object: 'event', timestamp }, NOW).clerkEvent as ClerkEvent;

const without = (data: object, field: string): object => {
  const [name = '', inner] = field.split('.');
  const entries = Object.entries(data).map(([key, value]) =>
    key === name && inner ? [key, without(value as object, inner)] : [key, value],
  );
  return Object.fromEntries(entries.filter(([key]) => inner || key !== name));
};

describe('an event of an organization', () => {
  it.each<[ClerkEventType, object]>([
    ['organization.created', ORGANIZATION],
    ['organization.updated', { id: 'org_1' }],
    ['organization.deleted', { id: 'org_1', object: 'organization', deleted: true }],
    ['organizationMembership.created', MEMBERSHIP],
    ['organizationMembership.updated', MEMBERSHIP],
    ['organizationMembership.deleted', MEMBERSHIP],
    ['organizationInvitation.created', INVITATION],
    ['organizationInvitation.revoked', INVITATION],
    ['organizationInvitation.accepted', { ...INVITATION, user_id: 'user_1' }],
  ])('%s carries what it is about', (type, data) => {
    expect(read(type, data)).toMatchObject({ id: 'msg_1', type, data });
  });

  it.each<[ClerkEventType, object, string]>([
    ['organization.updated', ORGANIZATION, 'id'],
    ['organization.deleted', { id: 'org_1' }, 'id'],
    ['organizationMembership.deleted', MEMBERSHIP, 'id'],
    ['organizationMembership.deleted', MEMBERSHIP, 'organization.id'],
    ['organizationMembership.deleted', MEMBERSHIP, 'public_user_data.user_id'],
    ['organizationInvitation.accepted', INVITATION, 'id'],
  ])('%s is none without that: %j, %s', (type, data, field) => {
    expect(() => read(type, without(data, field))).toThrow(Problem);
  });

  it.each<[ClerkEventType, object, string]>([
    ['organization.deleted', { id: 'org_1', deleted: true }, 'id'],
    ['organizationMembership.deleted', MEMBERSHIP, 'role'],
    ['organizationMembership.deleted', MEMBERSHIP, 'organization'],
    ['organizationMembership.updated', MEMBERSHIP, 'public_user_data'],
    ['organizationInvitation.accepted', INVITATION, 'organization_id'],
    ['organizationInvitation.accepted', INVITATION, 'email_address'],
    ['organizationInvitation.accepted', INVITATION, 'role'],
  ])('%s is incomplete without that: %j, %s', (type, data, field) => {
    const { clerkEvent, isIncomplete } = readEvent('msg_1', { type, data: without(data, field) }, NOW);
    expect([clerkEvent, isIncomplete]).toEqual([undefined, true]);
  });

  it.each<[ClerkEventType, object, string[]]>([
    ['organization.updated', ORGANIZATION, ['name', 'slug', 'image_url', 'max_allowed_memberships', 'created_by']],
    ['organizationMembership.updated', MEMBERSHIP, ['created_at', 'updated_at']],
    ['organizationInvitation.created', INVITATION, ['status', 'expires_at', 'user_id', 'inviter_id']],
  ])('%s takes what is malformed for missing', (type, data, fields) => {
    const malformed = Object.fromEntries(fields.map((field) => [field, { no: 'thing' }]));
    const nothing = Object.fromEntries(fields.map((field) => [field, null]));
    expect(read(type, { ...data, ...malformed }).data).toMatchObject(nothing);
  });

  it('is not lost for what is malformed inside', () => {
    const organization = { id: 'org_1', name: 7, updated_at: 'yesterday', max_allowed_memberships: {} };
    const user = { user_id: 'user_1', first_name: [], image_url: 7 };
    const { data } = read('organizationMembership.deleted', { ...MEMBERSHIP, organization, public_user_data: user });
    expect(data).toMatchObject({
      organization: { id: 'org_1', name: null, updated_at: null, max_allowed_memberships: null },
      public_user_data: { user_id: 'user_1', first_name: null, image_url: null },
    });
  });
});

describe('the times of an event', () => {
  it.each([
    ['its own, not that of what it is about', 1_790_000_000_123, 1_790_000_000_123],
    ['its own in milliseconds when that is in seconds', 1_790_000_000, 1_790_000_000_000],
    ['that of its receipt when it has none', undefined, NOW.getTime()],
    ['that of its receipt when it is far ahead', NOW.getTime() + 300_001, NOW.getTime()],
  ])('tell when it happened: %s', (_, timestamp, sentAt) => {
    expect(read('organizationMembership.deleted', MEMBERSHIP, timestamp)).toMatchObject({
      at: MEMBERSHIP.updated_at,
      sentAt,
    });
  });
});

describe('a user of Clerk', () => {
  it('says whether it may create organizations', () => {
    const user = { id: 'user_1', create_organization_enabled: false, create_organizations_limit: 3 };
    expect(ClerkUser.parse(user)).toMatchObject(user);
    expect(CLERK_EVENTS['user.updated'].parse({ id: 'user_1' }).create_organization_enabled).toBeUndefined();
  });
});
