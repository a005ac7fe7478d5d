import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable, Module, type Type } from '@nestjs/common';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { type ClerkEvent, OnClerkEvent } from '../src/clerk/index.ts';
import { readSettings } from '../src/config/index.ts';
import { Replay } from '../src/webhooks/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { onClose } from './support/closing.ts';
import { dataOf, EVENT_TYPES, newIds } from './support/events.ts';
import { startWithMachines } from './support/machines.ts';
import { until } from './support/until.ts';

const DEPTH = 8000;
const LISTS = `${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`;
const OBJECTS = `${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`;

/** What a team writes: a handler that reads the event when its job runs. */
@Injectable()
class Reader {
  static read: object | undefined;

  @OnClerkEvent('user.updated')
  read({ data }: ClerkEvent<'user.updated'>): void {
    Reader.read = data;
  }
}

function withReader(env: Record<string, string>): Type {
  @Module({ imports: modulesOf(readSettings(env)), providers: [...requestChain, Reader] })
  class TestModule {}
  return TestModule;
}

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk, { CLERK_INSTANCE_ID: clerk.instanceId });
});

const rowOf = async (id: string) =>
  (await app.database.query<Record<string, unknown>>('select * from inbox where id = $1', [id]))[0];
const firstRow = async (sql: string, id: string) => (await app.database.query<Record<string, unknown>>(sql, [id]))[0];

/** The event as text, with deep JSON in place of the text DEEP: `JSON.stringify` cannot write it. */
function textOf(type: string, data: object, deep: string): string {
  return JSON.stringify(clerk.anEvent(type, data)).replaceAll('"DEEP"', deep);
}

let sent = 0;
const nextId = () => `msg_nested${sent++}`;

describe('an event that is nested 8,000 levels deep', () => {
  const WHERE: [string, (data: object) => object][] = [
    ['in an unknown field', (data) => ({ ...data, surprise: 'DEEP' })],
    ['in every kind of metadata', (data) => ({ ...data, unsafe_metadata: { a: 'DEEP' }, public_metadata: 'DEEP' })],
    ['in fields that are texts', (data) => ({ ...data, first_name: 'DEEP', name: 'DEEP', charge_type: 'DEEP' })],
    ['in what is embedded', (data) => ({ ...data, user: { id: 'user_nested', unsafe_metadata: 'DEEP' } })],
  ];

  it.each(EVENT_TYPES)('is acknowledged and has its row, whatever its type: %s', async (type) => {
    for (const [, nest] of WHERE)
      for (const deep of [LISTS, OBJECTS]) {
        const id = nextId();
        const { status } = await clerk.deliver(app.url, textOf(type, nest(dataOf(type, newIds())), deep), { id });
        expect(status).toBe(204);
        expect(await rowOf(id)).toMatchObject({ type, status: 'processed' });
      }
  });

  it('of a type that nobody handles has its row', async () => {
    const id = nextId();
    const { status } = await clerk.deliver(app.url, textOf('role.created', { id: 'role_1', deep: 'DEEP' }, LISTS), {
      id,
    });
    expect(status).toBe(204);
    expect(await rowOf(id)).toMatchObject({ status: 'ignored', object_id: 'role_1' });
  });

  it('bans the user', async () => {
    const user = clerk.aUser({ banned: true, unsafe_metadata: 'DEEP' as never });
    expect((await clerk.deliver(app.url, textOf('user.updated', user, OBJECTS))).status).toBe(204);
    expect(await firstRow('select banned_at from users where clerk_id = $1', user.id)).toMatchObject({
      banned_at: expect.any(Date),
    });
  });

  it('ends the session', async () => {
    const user = clerk.aUser();
    const token = clerk.aToken({ sub: user.id, sid: 'sess_nested' });
    expect((await app.as(token, '/v1/me')).status).toBe(200);
    const session = { id: 'sess_nested', user: { ...user, unsafe_metadata: 'DEEP' } };
    expect((await clerk.deliver(app.url, textOf('session.revoked', session, LISTS))).status).toBe(204);
    expect((await app.as(token, '/v1/me')).body.code).toBe('token_revoked');
  });

  it('ends the membership', async () => {
    const ids = newIds();
    await clerk.deliver(
      app.url,
      clerk.anEvent('organizationMembership.created', dataOf('organizationMembership.created', ids)),
    );
    const ended = { ...dataOf('organizationMembership.deleted', ids), private_metadata: 'DEEP' };
    expect((await clerk.deliver(app.url, textOf('organizationMembership.deleted', ended, LISTS))).status).toBe(204);
    expect(await firstRow('select ended_at from memberships where clerk_id = $1', ids.objectId)).toMatchObject({
      ended_at: expect.any(Date),
    });
  });

  it('keeps what lies in its first levels for who reads it later', async () => {
    const own = await startApp(clerk, { CLERK_INSTANCE_ID: clerk.instanceId }, undefined, withReader);
    const user = clerk.aUser({ public_metadata: { near: { by: ['here'] }, far: 'DEEP' } });
    await clerk.deliver(own.url, textOf('user.updated', user, LISTS));
    await until(async () => Reader.read);
    expect(Reader.read).toMatchObject({ public_metadata: { near: { by: ['here'] }, far: expect.any(Array) } });
  });

  it('is replayed from its row', async () => {
    const id = nextId();
    const user = clerk.aUser({ banned: true, unsafe_metadata: 'DEEP' as never });
    await clerk.deliver(app.url, textOf('user.updated', user, LISTS), { id });
    await app.database.query('delete from users where clerk_id = $1', [user.id]);
    await app.app.get(Replay).replay(id);
    expect(await firstRow('select banned_at from users where clerk_id = $1', user.id)).toMatchObject({
      banned_at: expect.any(Date),
    });
  });

  it('is replayed from the row of a version that did not cut it', async () => {
    const id = nextId();
    const user = clerk.aUser({ banned: true, unsafe_metadata: 'DEEP' as never });
    const payload = textOf('user.updated', user, `${'['.repeat(4000)}${']'.repeat(4000)}`);
    await app.database.query(
      `insert into inbox (id, type, status, event_at, payload, received_at)
       values ($1, 'user.updated', 'failed', 0, $2, now())`,
      [id, payload],
    );
    await app.app.get(Replay).replay(id);
    expect(await rowOf(id)).toMatchObject({ status: 'processed' });
    expect(await firstRow('select banned_at from users where clerk_id = $1', user.id)).toMatchObject({
      banned_at: expect.any(Date),
    });
  });
});

/** Something that answers for Clerk with this text: no JSON that is so deep can be written by `JSON.stringify`. */
async function startAnswering(text: string): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onClose(async () => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('what is nested 8,000 levels deep elsewhere', () => {
  it('is cut in the claims of an API key, and the key is good', async () => {
    const key = JSON.stringify({
      id: 'ak_nested',
      object: 'api_key',
      subject: clerk.aUser().id,
      scopes: [],
      claims: { near: 1, deep: 'DEEP' },
      revoked: false,
      expired: false,
      expiration: null,
      created_at: Date.now(),
    });
    const own = await startWithMachines(clerk, {
      CLERK_API_URL: await startAnswering(key.replace('"DEEP"', OBJECTS)),
      CLERK_JWT_KEY: clerk.key.publicKeyPem,
    });
    const { status, body } = await own.as(`ak_${'a1'.repeat(16)}`, '/machines');
    expect([status, body.code, (body.claims as { near?: number } | undefined)?.near]).toEqual([200, undefined, 1]);
  });

  it('in a user of the Backend API does no harm: the profile is taken', async () => {
    const user = JSON.stringify({ ...clerk.aUser({ first_name: 'Deep' }), unsafe_metadata: 'DEEP' });
    const own = await startApp(clerk, {
      CLERK_API_URL: await startAnswering(user.replace('"DEEP"', LISTS)),
      CLERK_JWT_KEY: clerk.key.publicKeyPem,
    });
    const { status, body } = await own.as(clerk.aToken({ sub: (JSON.parse(user) as { id: string }).id }), '/v1/me');
    expect([status, (body.user as { name: string }).name]).toEqual([200, 'Deep Example']);
  });

  it('in the claims of a session token, as far as they fit into it, does no harm', async () => {
    const levels = 2500;
    const deep = JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`) as unknown;
    expect((await app.as(clerk.aToken({ deep }), '/v1/me')).status).toBe(200);
  });

  it('in the body of a client is invalid input', async () => {
    for (const deep of [LISTS, OBJECTS]) {
      const { status, body } = await app.as(clerk.aToken(), '/v1/me', {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: `{"settings":{"a":${deep}}}`,
      });
      expect([status, body.code]).toEqual([400, 'invalid_input']);
    }
  });
});
