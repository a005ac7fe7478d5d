import { beforeAll, describe, expect, it } from '@jest/globals';
import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Module, type Type } from '@nestjs/common';
import fc from 'fast-check';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { type ClerkEvent, type ClerkEventType, OnClerkEvent } from '../src/clerk/index.ts';
import { readSettings } from '../src/config/index.ts';
import { Replay } from '../src/webhooks/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { createDatabase } from './support/database.ts';
import { dataOf, EVENT_TYPES, type EventIds, newIds } from './support/events.ts';
import { payloadOf, type Schema, schemasIn, whenPublished } from './support/published.ts';
import { aMember, meet } from './support/tenants.ts';
import { until } from './support/until.ts';

let clerk: TestClerk;
let app: TestApp;
let sent = 0;

/** What a team writes: it needs all that Clerk leaves out. */
@Injectable()
class Leavers {
  @OnClerkEvent('organizationMembership.deleted')
  async note({ data }: ClerkEvent<'organizationMembership.deleted'>, em: EntityManager) {
    await em.execute('insert into scratch_notes values (?)', [
      `${data.public_user_data.user_id} ${data.organization.id}`,
    ]);
  }
}

function withLeavers(env: Record<string, string>): Type {
  @Module({ imports: modulesOf(readSettings(env)), providers: [...requestChain, Leavers] })
  class TestModule {}
  return TestModule;
}

beforeAll(async () => {
  clerk = await TestClerk.start();
  const database = await createDatabase();
  await database.query('create table scratch_notes (text text not null)');
  await database.query('grant all on scratch_notes to gatehouse');
  app = await startApp(clerk, { CLERK_INSTANCE_ID: clerk.instanceId }, database, withLeavers);
});

async function deliver(type: string, data: object, id = `msg_incomplete${sent++}`): Promise<string> {
  const { status } = await clerk.deliver(app.url, clerk.anEvent(type, data), { id });
  expect([type, status]).toEqual([type, 204]);
  return id;
}

const firstRow = async (sql: string, id: string) => (await app.database.query<Record<string, unknown>>(sql, [id]))[0];
const inboxRow = (id: string) => firstRow('select * from inbox where id = $1', id);
const membership = ({ objectId }: EventIds) => firstRow('select * from memberships where clerk_id = $1', objectId);
const invitation = ({ objectId }: EventIds) => firstRow('select * from invitations where clerk_id = $1', objectId);
const told = (type: ClerkEventType, ids: EventIds) => dataOf(type, ids) as Record<string, unknown>;

function without(data: Record<string, unknown>, ...fields: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).filter(([field]) => !fields.includes(field)));
}

/** Ways in which an event of a membership names it, and no user. */
const NAMELESS: [string, (data: Record<string, unknown>) => object][] = [
  ['without public_user_data', (data) => without(data, 'public_user_data')],
  ['with public_user_data that is null', (data) => ({ ...data, public_user_data: null })],
  ['without times and public_user_data', (data) => without(data, 'public_user_data', 'created_at', 'updated_at')],
  ['with its id alone', ({ id }) => ({ id, object: 'organization_membership', deleted: true })],
];

describe('an event of a membership that names no user', () => {
  it.each(NAMELESS)('ends the membership of that id: %s', async (_what, shorten) => {
    const ids = newIds();
    await deliver('organizationMembership.created', told('organizationMembership.created', ids));
    const id = await deliver('organizationMembership.deleted', shorten(told('organizationMembership.deleted', ids)));
    expect(await membership(ids)).toMatchObject({ ended_at: expect.any(Date), role: 'org:member' });
    expect(await inboxRow(id)).toMatchObject({
      status: 'processed',
      user_id: ids.userId,
      tenant_id: ids.organizationId,
    });
    await until(
      async () =>
        (await app.database.query('select from scratch_notes where text = $1', [`${ids.userId} ${ids.organizationId}`]))
          .length > 0,
    );
  });

  it('refuses the tokens of the membership', async () => {
    const { user, organization, token } = aMember(clerk);
    const { id } = clerk.organizations.memberships.get(organization.id, user.id);
    await meet(app, token());
    const ids = { userId: user.id, organizationId: organization.id, objectId: id };
    const before = token();
    await deliver('organizationMembership.created', told('organizationMembership.created', ids));
    expect((await app.as(before, '/v1/me')).status).toBe(200);
    await deliver(
      'organizationMembership.deleted',
      without(told('organizationMembership.deleted', ids), 'public_user_data'),
    );
    expect((await app.as(before, '/v1/me')).body.code).toBe('token_revoked');
  });

  it('changes the role of the membership', async () => {
    const ids = newIds();
    await deliver('organizationMembership.created', told('organizationMembership.created', ids));
    const promoted = {
      ...told('organizationMembership.updated', ids),
      role: 'org:admin',
      updated_at: 1_790_000_000_002,
    };
    await deliver('organizationMembership.updated', without(promoted, 'public_user_data'));
    expect(await membership(ids)).toMatchObject({ role: 'org:admin', ended_at: null });
  });

  it('ends no other membership, of that organization or another', async () => {
    const [ids, other] = [newIds(), newIds()];
    await deliver('organizationMembership.created', told('organizationMembership.created', ids));
    const { objectId } = other;
    const named = { ...told('organizationMembership.deleted', ids), id: objectId };
    const id = await deliver('organizationMembership.deleted', without(named, 'public_user_data'));
    expect(await membership(ids)).toMatchObject({ ended_at: null });
    expect(await inboxRow(id)).toMatchObject({ status: 'unresolved', object_id: objectId });
  });
});

describe('an event of an invitation that names no organization', () => {
  it.each<['accepted' | 'revoked', (data: Record<string, unknown>) => object]>([
    ['accepted', (data) => without(data, 'organization_id')],
    ['revoked', (data) => without(data, 'organization_id')],
    ['revoked', ({ id, updated_at }) => ({ id, updated_at })],
    ['accepted', (data) => ({ ...data, organization_id: null, email_address: null, role: null })],
  ])('ends the invitation of that id: %s', async (verb, shorten) => {
    const ids = newIds();
    await deliver('organizationInvitation.created', told('organizationInvitation.created', ids));
    const type = `organizationInvitation.${verb}` as const;
    await deliver(type, shorten(told(type, ids)));
    expect(await invitation(ids)).toMatchObject({
      status: verb,
      email: `${ids.objectId}@example.com`,
      role: 'org:member',
    });
  });
});

describe('an event whose object is not known', () => {
  it.each<[ClerkEventType, (data: Record<string, unknown>) => object]>([
    ['organizationMembership.created', (data) => without(data, 'public_user_data')],
    ['organizationMembership.updated', (data) => without(data, 'public_user_data')],
    ['organizationMembership.deleted', ({ id }) => ({ id })],
    ['organizationInvitation.created', (data) => without(data, 'organization_id')],
    ['organizationInvitation.revoked', (data) => without(data, 'organization_id')],
    ['user.deleted', () => ({ object: 'user', deleted: true })],
    ['organization.deleted', () => ({ object: 'organization', deleted: true, id: null })],
  ])('is acknowledged, kept and counted: %s', async (type, shorten) => {
    const own = await startApp(clerk, { CLERK_INSTANCE_ID: clerk.instanceId });
    const event = clerk.anEvent(type, shorten(told(type, newIds())));
    expect((await clerk.deliver(own.url, event, { id: 'msg_unknown' })).status).toBe(204);
    expect((await clerk.deliver(own.url, event, { id: 'msg_unknown' })).status).toBe(204);
    expect(await own.database.query('select type, status, deliveries from inbox')).toEqual([
      { type, status: 'unresolved', deliveries: 2 },
    ]);
    const { text } = (await own.call('/metrics')).body as { text: string };
    expect(text).toMatch(/^gatehouse_webhook_unresolved 1$/m);
    expect(text).toContain(`gatehouse_webhook_deliveries_total{type="${type}",outcome="unresolved"} 2`);
  });

  it('is dealt with as soon as another makes the object known', async () => {
    const ids = newIds();
    const ended = without(told('organizationMembership.deleted', ids), 'public_user_data');
    const id = await deliver('organizationMembership.deleted', ended);
    expect(await inboxRow(id)).toMatchObject({ status: 'unresolved', user_id: null });
    await deliver('organizationMembership.created', told('organizationMembership.created', ids));
    expect(await membership(ids)).toMatchObject({ ended_at: expect.any(Date) });
    expect(await inboxRow(id)).toMatchObject({ status: 'processed', user_id: ids.userId });
  });

  it('may come in any order, and at the same time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), fc.boolean(), async (order, isAtOnce) => {
        const ids = newIds();
        const types: ClerkEventType[] = ['created', 'updated', 'deleted'].map(
          (verb) => `organizationMembership.${verb}` as ClerkEventType,
        );
        const events = types.map(
          (type, n) => [type, without(told(type, ids), n === 0 ? '' : 'public_user_data')] as const,
        );
        const deliveries = order.map((n) => () => deliver(...(events[n] as (typeof events)[0])));
        if (isAtOnce) await Promise.all(deliveries.map((one) => one()));
        else for (const one of deliveries) await one();
        expect(await membership(ids)).toMatchObject({ ended_at: expect.any(Date) });
      }),
      { numRuns: 15 },
    );
  });

  it('is replayed once the object is known, and says until then that it is not', async () => {
    const ids = newIds();
    const ended = without(told('organizationMembership.deleted', ids), 'public_user_data');
    const id = await deliver('organizationMembership.deleted', ended);
    const replay = app.app.get(Replay);
    await expect(replay.replay(id)).rejects.toThrow('It names an object that is not known here');
    expect(await inboxRow(id)).toMatchObject({ status: 'unresolved' });
    // as the reconciliation brings it
    const named = told('organizationMembership.created', { ...ids, objectId: `${ids.objectId}x` });
    await deliver('organizationMembership.created', named);
    await app.database.query('update memberships set clerk_id = $1 where clerk_id = $2', [ids.objectId, named.id]);
    await replay.replay(id);
    expect(await membership(ids)).toMatchObject({ ended_at: expect.any(Date) });
    expect(await inboxRow(id)).toMatchObject({ status: 'processed' });
  });

  it('is invalid input where it has no id and is no deletion, or something else is wrong with it', async () => {
    for (const [type, data] of [
      ['user.deleted', {}],
      ['user.updated', { deleted: true }],
      ['organizationMembership.deleted', { public_user_data: { user_id: 'user_1' } }],
      ['organizationMembership.deleted', { id: 'orgmem_1', public_user_data: 7 }],
    ] as const) {
      const { status, body } = await clerk.deliver(app.url, clerk.anEvent(type, data));
      expect([type, status, body.code]).toEqual([type, 400, 'invalid_input']);
    }
  });
});

describe('an event without an instance', () => {
  it.each([['absent'], [null], [''], [7]])('is acknowledged, and set aside: %j', async (instance) => {
    const user = clerk.aUser();
    const { instance_id: _, ...event } = { ...clerk.anEvent('user.updated', user) };
    const body = instance === 'absent' ? event : { ...event, instance_id: instance };
    const id = `msg_none${sent++}`;
    expect((await clerk.deliver(app.url, JSON.stringify(body), { id })).status).toBe(204);
    expect(await inboxRow(id)).toMatchObject({ status: 'quarantined', instance_id: null });
    expect(await firstRow('select * from users where clerk_id = $1', user.id)).toBeUndefined();
  });

  it('is set aside while ours is not known, too', async () => {
    clerk.behaviour = 'fails';
    try {
      const own = await startApp(clerk, { CLERK_JWT_KEY: clerk.key.publicKeyPem });
      const { instance_id: _, ...event } = clerk.anEvent('user.created', clerk.aUser());
      expect((await clerk.deliver(own.url, JSON.stringify(event))).status).toBe(204);
      expect(await own.database.query('select status from inbox')).toEqual([{ status: 'quarantined' }]);
      expect(await own.database.query('select from users')).toEqual([]);
    } finally {
      clerk.behaviour = 'answers';
    }
  });
});

whenPublished("events as Clerk's OpenAPI file in the folder CLERK_OPENAPI allows them", () => {
  let schemas: Record<string, Schema>;

  beforeAll(async () => {
    schemas = await schemasIn('webhooks-2025-04-15.yml');
  });

  it.each(EVENT_TYPES)('are acknowledged with whatever the schema lets them leave out: %s', async (type) => {
    const schema = payloadOf(type);
    await fc.assert(
      fc.asyncProperty(anyOf(schemas, schema), async (data) => {
        expect(await inboxRow(await deliver(type, data as object))).toMatchObject({ type });
      }),
      { numRuns: 12 },
    );
  });
});

/** Values of the schema, with each of the fields that it does not require there or not. */
function anyOf(schemas: Record<string, Schema>, schema: Schema, name = ''): fc.Arbitrary<unknown> {
  if (schema.$ref)
    return anyOf(schemas, { ...schemas[schema.$ref.split('/').at(-1) ?? ''], ...schema, $ref: undefined }, name);
  if (schema.nullable) return fc.oneof(fc.constant(null), anyOf(schemas, { ...schema, nullable: false }, name));
  if (schema.oneOf) return fc.oneof(...schema.oneOf.map((part) => anyOf(schemas, part, name)));
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.type === 'array') return fc.array(anyOf(schemas, schema.items ?? {}), { maxLength: 2 });
  if (schema.type === 'boolean') return name === 'deleted' ? fc.constant(true) : fc.boolean();
  if (schema.type === 'integer' || schema.type === 'number') return fc.integer({ min: 0, max: 2 ** 31 });
  if (schema.type === 'string') return aText(name);
  const parts = [schema, ...(schema.allOf ?? []).map((part) => resolved(schemas, part))];
  const fields = Object.assign({}, ...parts.map((part) => part.properties ?? {})) as Record<string, Schema>;
  const arbitraries = Object.entries(fields).map(([field, part]) => [field, anyOf(schemas, part, field)] as const);
  const requiredKeys = parts.flatMap(({ required = [] }) => required).filter((field) => field in fields);
  return fc.record(Object.fromEntries(arbitraries), { requiredKeys });
}

function resolved(schemas: Record<string, Schema>, schema: Schema): Schema {
  const { $ref, ...own } = schema;
  const whole = $ref ? { ...schemas[$ref.split('/').at(-1) ?? ''], ...own } : own;
  const inner = (whole.allOf ?? []).map((part) => resolved(schemas, part));
  return {
    ...whole,
    required: [whole, ...inner].flatMap(({ required = [] }) => required),
    properties: Object.assign({}, ...inner.map(({ properties }) => properties), whole.properties) as Record<
      string,
      Schema
    >,
  };
}

function aText(name: string): fc.Arbitrary<string> {
  if (name === 'role') return fc.constantFrom('org:admin', 'org:member', 'admin');
  return name === 'id' || name.endsWith('_id') ? fc.uuid().map((id) => `id_${id.replaceAll('-', '')}`) : fc.string();
}
