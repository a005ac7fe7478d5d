import { verifyWebhook } from '@clerk/backend/webhooks';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Webhook } from 'svix';
import type { LocalClerk } from '../local/clerk/local-clerk.ts';
import { localUser, SEEDED_USERS } from '../local/clerk/people.ts';
import { TestClerk } from './support/clerk.ts';
import type { Call } from './support/http.ts';
import { aClerk, claimsOf, Receiver, until } from './support/local-clerk.ts';
import { complaints, payloadOf, type Schema, schemasIn, whenPublished } from './support/published.ts';

const [ADA, GRACE] = SEEDED_USERS.map(({ id }) => id) as [string, string];
const PATIENCE_MS = 30_000;

describe('the users of the local Clerk', () => {
  it("are created, changed, locked and deleted through Clerk's own SDK", async () => {
    const { sdk } = await aClerk();
    const created = await sdk.users.createUser({
      emailAddress: ['joan@example.com'],
      firstName: 'Joan',
      externalId: 'ext-1',
      publicMetadata: { plan: 'a' },
    });
    expect(created).toMatchObject({
      firstName: 'Joan',
      externalId: 'ext-1',
      banned: false,
      publicMetadata: { plan: 'a' },
    });
    expect(created.primaryEmailAddress?.emailAddress).toBe('joan@example.com');
    const changed = await sdk.users.updateUser(created.id, { lastName: 'Clarke' });
    expect(changed).toMatchObject({ firstName: 'Joan', lastName: 'Clarke' });
    expect((await sdk.users.lockUser(created.id)).locked).toBe(true);
    expect((await sdk.users.unlockUser(created.id)).locked).toBe(false);
    expect(await sdk.users.deleteUser(created.id)).toMatchObject({ id: created.id, deleted: true });
    await expect(sdk.users.getUser(created.id)).rejects.toMatchObject({ status: 404 });
    expect(await sdk.users.getCount()).toBe(3);
  });

  it('are changed from the page, which shows them', async () => {
    const { asPage, clerk } = await aClerk();
    clerk.mint(ADA);
    const shown = async () => (await asPage('/local/people')).body as unknown as { id: string }[];
    expect(await shown()).toContainEqual(expect.objectContaining({ id: ADA, banned: false, sessions: 1 }));
    await asPage(`/local/users/${ADA}`, { method: 'PATCH', body: { first_name: 'Augusta', last_name: '' } });
    await asPage(`/local/users/${ADA}/ban`, { method: 'POST' });
    expect(await shown()).toContainEqual(
      expect.objectContaining({ id: ADA, name: 'Augusta', banned: true, sessions: 0 }),
    );
    await asPage(`/local/users/${ADA}/unban`, { method: 'POST' });
    expect(await shown()).toContainEqual(expect.objectContaining({ id: ADA, banned: false }));
    await asPage(`/local/users/${ADA}`, { method: 'DELETE' });
    expect((await shown()).map(({ id }) => id)).not.toContain(ADA);
    expect((await asPage(`/local/users/${ADA}/ban`, { method: 'POST' })).status).toBe(404);
  });

  it('have a later time after each change, however fast, and none when nothing changes', async () => {
    const { clerk } = await aClerk();
    const times = [clerk.directory.user(ADA).updated_at];
    for (let i = 0; i < 5; i++) times.push(clerk.directory.updateUser(ADA, { first_name: `${i}` }).updated_at);
    times.push(clerk.directory.ban(ADA).updated_at);
    expect(new Set(times).size).toBe(7);
    expect(times.toSorted((a, b) => a - b)).toEqual(times);
    expect(clerk.directory.ban(ADA).updated_at).toBe(times.at(-1));
  });

  it.each([
    ['POST', '', {}, 'form_data_missing'],
    ['POST', '', { email_address: 'x@example.com' }, 'form_param_format_invalid'],
    ['POST', '', { email_address: ['ada@example.com'] }, 'form_identifier_exists'],
    ['POST', '', { email_address: ['x@example.com'], nothing: 1 }, 'form_param_unknown'],
    ['PATCH', `/${ADA}`, { first_name: 1 }, 'form_param_format_invalid'],
    ['PATCH', `/${ADA}`, { public_metadata: {} }, 'form_param_unknown'],
  ])('are refused as Clerk does: %s /v1/users%s %j', async (method, path, body, code) => {
    const { asServer, clerk } = await aClerk();
    const answer = await asServer(`/v1/users${path}`, { method, body });
    expect([answer.status, answer.body.errors]).toMatchObject([422, [{ code }]]);
    expect(clerk.events.list()).toEqual([]);
  });

  it('are listed in order of creation or change, either way, page by page', async () => {
    const { sdk, clerk } = await aClerk({
      users: [3, 1, 2].map((n) => ({
        ...localUser(`user_${n}`, 'N', `${n}`, `${n}@example.com`),
        created_at: n,
        updated_at: 10 - n,
      })),
    });
    const listed = async (orderBy: '+created_at' | '-created_at' | '+updated_at' | '-updated_at', rest = {}) =>
      (await sdk.users.getUserList({ orderBy, ...rest })).data.map(({ id }) => id.slice(5)).join('');
    expect([await listed('+created_at'), await listed('-created_at')]).toEqual(['123', '321']);
    expect([await listed('+updated_at'), await listed('-updated_at')]).toEqual(['321', '123']);
    expect(await Promise.all([0, 2, 4].map((offset) => listed('-created_at', { limit: 2, offset })))).toEqual([
      '32',
      '1',
      '',
    ]);
    clerk.directory.updateUser('user_3', { first_name: 'M' });
    expect(await listed('+updated_at')).toBe('213');
    clerk.directory.deleteUser('user_2');
    expect(await listed('+updated_at')).toBe('13');
  });

  it('are filtered by when they were created, in the list and in the count', async () => {
    const { asServer } = await aClerk({
      users: [10, 20, 30].map((at) => ({ ...localUser(`user_${at}`, 'N', 'N', `${at}@example.com`), created_at: at })),
    });
    for (const [query, count] of [
      ['created_at_after=10', 2],
      ['created_at_before=30', 2],
      ['created_at_after=10&created_at_before=30', 1],
      ['user_id=user_10&user_id=user_20', 2],
    ]) {
      expect(await asServer(`/v1/users?${query}`)).toMatchObject({ body: { length: count } });
      expect(await asServer(`/v1/users/count?${query}`)).toMatchObject({ body: { total_count: count } });
    }
  });

  it.each(['order_by=name', 'limit=0', 'limit=501', 'offset=-1', 'created_at_after=x'])(
    'are not listed for %s',
    async (query) => {
      const { asServer } = await aClerk();
      expect((await asServer(`/v1/users?${query}`)).status).toBe(422);
    },
  );

  it('are not listed by a filter that is not built', async () => {
    const { asServer } = await aClerk();
    expect((await asServer('/v1/users?phone_number=1')).status).toBe(501);
  });

  it('are paged quickly when they are many, though they change meanwhile', async () => {
    const users = Array.from({ length: 100_000 }, (_, i) => localUser(`user_${i}`, 'N', `${i}`, `${i}@example.com`));
    const { clerk } = await aClerk({ users, webhookUrl: undefined });
    const started = performance.now();
    for (let offset = 0; offset < users.length; offset += 500) {
      clerk.directory.updateUser('user_7', { last_name: `${offset}` });
      const page = clerk.directory.users.page({}, { order: 'updated_at', descending: true, limit: 500, offset });
      expect(page).toHaveLength(500);
    }
    expect(performance.now() - started).toBeLessThan(PATIENCE_MS);
  });
});

describe('a token of the local Clerk', () => {
  it('belongs to a session that is there, the same until it ends', async () => {
    const { clerk, sdk } = await aClerk();
    const [first, second] = [claimsOf(clerk.mint(ADA)), claimsOf(clerk.mint(ADA))];
    expect(second.sid).toBe(first.sid);
    expect(await sdk.sessions.getSession(first.sid)).toMatchObject({ userId: ADA, status: 'active' });
    expect((await sdk.sessions.revokeSession(first.sid)).status).toBe('revoked');
    expect(claimsOf(clerk.mint(ADA)).sid).not.toBe(first.sid);
    const listed = await sdk.sessions.getSessionList({ userId: ADA, status: 'revoked' });
    expect([listed.totalCount, listed.data.map(({ id }) => id)]).toEqual([1, [first.sid]]);
    expect((await sdk.sessions.getSessionList({ userId: GRACE })).data).toEqual([]);
  });

  it.each([
    ['a banned user', 403, 'user_banned', (clerk: LocalClerk) => void clerk.directory.ban(ADA)],
    ['a locked user', 403, 'user_locked', (clerk: LocalClerk) => void clerk.directory.lock(ADA)],
    ['a deleted user', 404, 'resource_not_found', (clerk: LocalClerk) => void clerk.directory.deleteUser(ADA)],
  ])('is refused to %s', async (_who, status, code, change) => {
    const { clerk, asPage } = await aClerk();
    change(clerk);
    const answer = await asPage('/local/tokens', { method: 'POST', body: `user_id=${ADA}` });
    expect([answer.status, answer.body.errors]).toMatchObject([status, [{ code }]]);
  });

  it('is given again after the ban, and to a locked user who is signed in', async () => {
    const { clerk } = await aClerk();
    const { sid } = claimsOf(clerk.mint(ADA));
    clerk.directory.lock(ADA);
    expect(claimsOf(clerk.mint(ADA)).sid).toBe(sid);
    clerk.directory.unlock(ADA);
    clerk.directory.ban(ADA);
    clerk.directory.unban(ADA);
    expect(claimsOf(clerk.mint(ADA)).sid).not.toBe(sid);
  });

  it('is refused to a session that was revoked', async () => {
    const { clerk, asPage } = await aClerk();
    const { sid } = claimsOf(clerk.mint(ADA));
    const form = { method: 'POST', body: `user_id=${ADA}&session_id=${sid}` };
    expect((await asPage('/local/tokens', form)).status).toBe(200);
    clerk.directory.endSession(sid);
    expect(await asPage('/local/tokens', form)).toMatchObject({
      status: 401,
      body: { errors: [{ code: 'authentication_invalid' }] },
    });
  });
});

describe('the events of the local Clerk', () => {
  it('tell each change once, in its order', async () => {
    const { clerk, receiver, asServer, asPage } = await aClerk();
    const { body } = await asServer('/v1/users', { method: 'POST', body: { email_address: ['joan@example.com'] } });
    const user = String(body.id);
    await asServer(`/v1/users/${user}`, { method: 'PATCH', body: { first_name: 'Joan' } });
    clerk.mint(user);
    clerk.mint(user);
    await asServer(`/v1/users/${user}/ban`, { method: 'POST' });
    await asServer(`/v1/users/${user}/unban`, { method: 'POST' });
    clerk.mint(user);
    clerk.directory.signOutEverywhere(user, 'ended');
    clerk.mint(user);
    await asPage(`/local/users/${user}/sign-out`, { method: 'POST' });
    clerk.mint(user);
    await asServer(`/v1/users/${user}`, { method: 'DELETE' });
    await receiver.has(13);
    expect(receiver.types).toEqual([
      'user.created',
      'user.updated',
      'session.created',
      'user.updated',
      'session.revoked',
      'user.updated',
      'session.created',
      'session.ended',
      'session.created',
      'session.revoked',
      'session.created',
      'session.removed',
      'user.deleted',
    ]);
    expect(new Set(receiver.ids).size).toBe(13);
  });

  it("are in Clerk's envelope, with the user as it was then", async () => {
    const { clerk, receiver } = await aClerk();
    clerk.directory.updateUser(ADA, { first_name: 'Augusta', external_id: 'ext-1' });
    clerk.directory.updateUser(ADA, { first_name: 'Ada' });
    clerk.directory.deleteUser(ADA);
    await receiver.has(4);
    const [first, last] = [receiver.events[0], receiver.events[3]];
    expect(first).toEqual({
      object: 'event',
      type: 'user.updated',
      timestamp: expect.any(Number),
      instance_id: clerk.instanceId,
      event_attributes: { http_request: { client_ip: expect.any(String), user_agent: expect.any(String) } },
      data: expect.objectContaining({ id: ADA, first_name: 'Augusta' }),
    });
    expect(Math.abs(first.timestamp - Date.now())).toBeLessThan(PATIENCE_MS);
    expect(last.data).toEqual({ object: 'user', id: ADA, external_id: 'ext-1', deleted: true });
  });

  it("are signed so that svix and Clerk's SDK accept them", async () => {
    const { clerk, receiver } = await aClerk();
    clerk.directory.ban(ADA);
    await receiver.has(1);
    const [{ headers, body }] = receiver.received as [Receiver['received'][0]];
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'svix-id': expect.stringMatching(/^msg_\w{27}$/),
    });
    new Webhook(clerk.webhookSecret).verify(body, headers);
    const request = new Request('http://127.0.0.1/', { method: 'POST', headers: new Headers(headers), body });
    const event = await verifyWebhook(request, { signingSecret: clerk.webhookSecret });
    expect(event).toMatchObject({ type: 'user.updated', data: { id: ADA, banned: true } });
  });

  it('are sent again after a refusal or a broken connection, under the same id with a new time', async () => {
    const { clerk, receiver } = await aClerk({ retryMs: [1100, 10] });
    receiver.statuses = [500, 0];
    clerk.directory.ban(ADA);
    await until(() => clerk.events.list()[0]?.state === 'delivered');
    expect(new Set(receiver.ids).size).toBe(1);
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
    const times = receiver.received.map(({ headers }) => Number(headers['svix-timestamp']));
    expect(times).toHaveLength(3);
    expect(times[1]).toBeGreaterThan(Number(times[0]));
    for (const { body, headers } of receiver.received) new Webhook(clerk.webhookSecret).verify(body, headers);
    expect(clerk.events.list()).toMatchObject([{ attempts: 3, last_status: 204 }]);
  });

  it('are given up in the end, and kept to be sent again by hand', async () => {
    const { clerk, receiver, asPage } = await aClerk();
    receiver.statuses = [500, 301, 404];
    clerk.directory.ban(ADA);
    await until(() => clerk.events.list()[0]?.state === 'failed');
    const [kept] = (await asPage('/local/events')).body as unknown as [{ id: string }];
    expect(kept).toMatchObject({ type: 'user.updated', state: 'failed', attempts: 3, last_status: 404 });
    await asPage('/local/events', { method: 'POST', body: { replay: kept.id } });
    await until(() => clerk.events.list()[0]?.state === 'delivered');
    expect(receiver.ids).toEqual([kept.id, kept.id, kept.id, kept.id]);
  });

  it('keep neither the change waiting nor, for long, each other, while nobody answers', async () => {
    const { clerk, receiver } = await aClerk();
    receiver.statuses = [-1];
    const started = Date.now();
    clerk.directory.ban(ADA);
    clerk.events.url = 'http://127.0.0.1:9';
    clerk.directory.unban(ADA);
    clerk.events.url = receiver.url;
    clerk.directory.ban(GRACE);
    expect(Date.now() - started).toBeLessThan(500);
    await receiver.has(2);
    expect(receiver.events[1]).toMatchObject({ data: { id: GRACE } });
  });

  it('are neither sent nor kept where there is no address, nor sent after the end', async () => {
    const { clerk, receiver } = await aClerk();
    clerk.events.url = undefined;
    clerk.directory.ban(ADA);
    expect(clerk.events.list()).toEqual([]);
    clerk.events.url = receiver.url;
    receiver.statuses = [500];
    clerk.directory.unban(ADA);
    await receiver.has(1);
    clerk.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(receiver.received).toHaveLength(1);
  });

  it('are kept up to a thousand', async () => {
    const { clerk, receiver } = await aClerk();
    for (let i = 0; i < 1010; i++) clerk.events.send('test.event', { i });
    await receiver.has(1010);
    expect(clerk.events.list()).toHaveLength(1000);
    expect(receiver.events.map(({ data }) => data.i)).toEqual(Array.from({ length: 1010 }, (_, i) => i));
  });
});

describe('a fault on demand', () => {
  const ask = async ({ asPage }: Awaited<ReturnType<typeof aClerk>>, body: object) => {
    const answer = await asPage('/local/events', { method: 'POST', body });
    expect(answer.status).toBe(200);
    return answer.body.id as string;
  };
  const event = { type: 'user.updated', user_id: ADA };

  it('delivers an event twice', async () => {
    const own = await aClerk();
    const id = await ask(own, { ...event, fault: 'duplicate' });
    await own.receiver.has(2);
    expect(own.receiver.ids).toEqual([id, id]);
  });

  it('delays an event', async () => {
    const own = await aClerk();
    const started = Date.now();
    await ask(own, { ...event, fault: 'delay', delay_ms: 200 });
    const id = await ask(own, event);
    await own.receiver.has(2);
    expect(own.receiver.ids[0]).toBe(id);
    expect((own.receiver.received[1]?.at ?? 0) - started).toBeGreaterThanOrEqual(195);
  });

  it('holds an event back until the next has been sent', async () => {
    const own = await aClerk();
    const held = await ask(own, { ...event, fault: 'reorder' });
    const next = await ask(own, event);
    await own.receiver.has(2);
    expect(own.receiver.ids).toEqual([next, held]);
  });

  it('loses an event, which can be sent later', async () => {
    const own = await aClerk();
    const lost = await ask(own, { ...event, fault: 'drop' });
    const next = await ask(own, event);
    await own.receiver.has(1);
    expect(own.receiver.ids).toEqual([next]);
    expect(own.clerk.events.list()[1]).toMatchObject({ id: lost, state: 'dropped', attempts: 0 });
    await ask(own, { replay: lost });
    await own.receiver.has(2);
    expect(own.receiver.ids).toEqual([next, lost]);
  });

  it.each([
    ['bad_signature', /No matching signature/],
    ['old_timestamp', /too old/],
  ])('sends what must not be accepted: %s', async (fault, message) => {
    const own = await aClerk();
    const id = await ask(own, { ...event, fault });
    await own.receiver.has(1);
    const verify = (index: number) => {
      const { body = '', headers = {} } = own.receiver.received[index] ?? {};
      return new Webhook(own.clerk.webhookSecret).verify(body, headers);
    };
    expect(() => verify(0)).toThrow(message);
    await ask(own, { replay: id });
    await own.receiver.has(2);
    verify(1);
  });

  it('strikes the event of the next change, and that alone', async () => {
    const own = await aClerk();
    await ask(own, { fault: 'drop' });
    own.clerk.directory.ban(ADA);
    own.clerk.directory.unban(ADA);
    await own.receiver.has(1);
    expect(own.receiver.events).toMatchObject([{ data: { banned: false } }]);
  });

  it('sends any event, of a user, of a session, or made up', async () => {
    const own = await aClerk();
    const { sid } = claimsOf(own.clerk.mint(ADA));
    await ask(own, { type: 'user.deleted', user_id: ADA });
    await ask(own, { type: 'session.ended', session_id: sid });
    await ask(own, { type: 'something.new', data: { any: 'thing' } });
    await own.receiver.has(4);
    expect(own.receiver.events.slice(1)).toMatchObject([
      { type: 'user.deleted', data: { id: ADA, deleted: true } },
      { type: 'session.ended', data: { id: sid, status: 'ended', user: { id: ADA } } },
      { type: 'something.new', data: { any: 'thing' } },
    ]);
  });

  it.each([
    ['GET', '/local/events'],
    ['POST', '/local/events'],
    ['POST', `/local/users/${ADA}/ban`],
    ['POST', `/local/users/${ADA}/sign-out`],
    ['PATCH', `/local/users/${ADA}`],
    ['DELETE', `/local/users/${ADA}`],
  ])('and a change are refused without the secret: %s %s', async (method, path) => {
    const { asNobody, clerk } = await aClerk();
    const before = structuredClone(clerk.directory.user(ADA));
    const body = { fault: 'drop', type: 'user.updated', user_id: ADA };
    const answer = await asNobody(path, { method, body: method === 'POST' ? body : undefined });
    expect([answer.status, answer.body.errors]).toMatchObject([403, [{ code: 'authorization_invalid' }]]);
    expect(clerk.directory.user(ADA)).toEqual(before);
    expect(clerk.events.list()).toEqual([]);
  });

  it.each([{}, { fault: 'unknown' }, { type: 'user.updated' }, { type: 1 }, { type: 'x', data: {}, delay_ms: 'x' }])(
    'is refused when it makes no sense: %j',
    async (body) => {
      const { asPage } = await aClerk();
      expect((await asPage('/local/events', { method: 'POST', body })).status).toBe(422);
    },
  );
});

describe('the Clerk of the tests', () => {
  it('delivers an event as Clerk does, or as nobody should', async () => {
    const clerk = await TestClerk.start();
    const receiver = await Receiver.start();
    const event = clerk.anEvent('user.updated', clerk.aUser(), { timestamp: 1 });
    expect(event).toMatchObject({ instance_id: clerk.instanceId, timestamp: 1 });
    const at = new Date(1_700_000_000_000);
    expect(await clerk.deliver(receiver.url, event, { id: 'msg_1', at })).toMatchObject({ status: 204 });
    await clerk.deliver(receiver.url, '{}', { headers: { 'svix-signature': undefined } });
    expect(receiver.received).toMatchObject([
      { headers: { 'svix-id': 'msg_1', 'svix-timestamp': '1700000000' }, body: JSON.stringify(event) },
      { body: '{}' },
    ]);
    expect(receiver.received[1]?.headers).not.toHaveProperty('svix-signature');
  });

  it('tells of changes once it was told whom', async () => {
    const clerk = await TestClerk.start();
    const receiver = await Receiver.start();
    const ada = clerk.aUser();
    clerk.directory.ban(ada.id);
    clerk.deliverEventsTo(receiver.url);
    clerk.directory.unban(ada.id);
    await receiver.has(1);
    expect(receiver.events).toMatchObject([{ type: 'user.updated', data: { id: ada.id, banned: false } }]);
  });
});

whenPublished("the shapes, by Clerk's OpenAPI files in the folder CLERK_OPENAPI", () => {
  let api: Record<string, Schema>;
  let webhooks: Record<string, Schema>;

  beforeAll(async () => {
    api = await schemasIn('bapi-2026-05-12.yml');
    webhooks = await schemasIn('webhooks-2025-04-15.yml');
  });

  it.each<[string, string, Call]>([
    ['User', `/v1/users/${ADA}`, {}],
    ['User', '/v1/users', { method: 'POST', body: { email_address: ['joan@example.com'], first_name: 'Joan' } }],
    ['User', `/v1/users/${ADA}/ban`, { method: 'POST' }],
    ['DeletedObject', `/v1/users/${ADA}`, { method: 'DELETE' }],
    ['TotalCount', '/v1/users/count', {}],
    ['Instance', '/v1/instance', {}],
    ['ClerkErrors', '/v1/users/user_x', {}],
    ['ClerkErrors', '/v1/users', { method: 'POST', body: {} }],
  ])('are %s at %s', async (name, path, options) => {
    const { asServer } = await aClerk();
    expect(complaints(api, { $ref: name }, (await asServer(path, options)).body)).toEqual([]);
    expect(complaints(api, { $ref: name }, { other: 1 })).not.toEqual([]);
  });

  it('are those of a session', async () => {
    const { asServer, clerk } = await aClerk();
    const { sid } = claimsOf(clerk.mint(ADA));
    for (const path of [`/v1/sessions/${sid}`, `/v1/sessions/${sid}/revoke`]) {
      const { body } = await asServer(path, { method: path.endsWith('revoke') ? 'POST' : 'GET' });
      expect(complaints(api, { $ref: 'Session' }, body)).toEqual([]);
    }
    expect(
      complaints(api, { type: 'array', items: { $ref: 'Session' } }, (await asServer('/v1/sessions')).body),
    ).toEqual([]);
  });

  it('are those of the events', async () => {
    const { clerk, receiver } = await aClerk();
    clerk.mint(ADA);
    clerk.directory.ban(ADA);
    clerk.directory.deleteUser(ADA);
    await receiver.has(5);
    for (const event of receiver.events) {
      expect(complaints(webhooks, { $ref: 'WebhookEventPayload' }, event)).toEqual([]);
      expect(complaints(webhooks, payloadOf(event.type), event.data)).toEqual([]);
    }
  });
});
