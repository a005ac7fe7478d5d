import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type EntityManager, MikroORM } from '@mikro-orm/postgresql';
import { z } from 'zod';
import { ormOptions } from '../mikro-orm.config.ts';
import {
  ClerkApi,
  ClerkBreaker,
  ClerkCalls,
  ClerkOrganizations,
  ClerkReader,
  ClerkSessions,
  clerkDeadline,
} from '../src/clerk/index.ts';
import { readSettings, type Settings } from '../src/config/index.ts';
import { Problem } from '../src/http/index.ts';
import { environmentOf, startApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { onClose } from './support/closing.ts';
import { createDatabase } from './support/database.ts';

interface Received {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: unknown;
}

interface Reply {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
}

const ORGANIZATION = { object: 'organization', id: 'org_1', name: 'Acme', slug: 'acme', image_url: 7 };
const MEMBERSHIP = { id: 'orgmem_1', role: 'org:admin', organization: ORGANIZATION, created_at: 5 };
const MEMBER = { ...MEMBERSHIP, public_user_data: { user_id: 'user_1', first_name: 'Ada' } };
const INVITATION = { id: 'orginv_1', organization_id: 'org_1', email_address: 'eve@example.com', role: 'org:member' };
const SESSION = {
  id: 'sess_1',
  user_id: 'user_1',
  status: 'active',
  latest_activity: { city: 'Lisbon', is_mobile: 1 },
};

/** A server that answers as a test says: the next of some replies, the last of them for ever. */
class StubClerk {
  readonly received: Received[] = [];
  replies: (Reply | 'hang' | 'break off')[] = [];
  url = '';
  aborted = 0;

  static async start(): Promise<StubClerk> {
    const stub = new StubClerk();
    const server = createServer((request, response) => void stub.#answer(request, response));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    stub.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    onClose(async () => server.close().closeAllConnections());
    return stub;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.once('close', () => (this.aborted += response.writableEnded ? 0 : 1));
    const sent = await text(request);
    const { method = '', url = '', headers } = request;
    this.received.push({ method, url, headers, body: sent ? JSON.parse(sent) : undefined });
    const reply = this.replies.length > 1 ? this.replies.shift() : this.replies[0];
    if (reply === 'break off') request.socket.destroy();
    if (reply === 'hang' || reply === 'break off' || !reply) return;
    const body = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? ORGANIZATION);
    response.writeHead(reply.status ?? 200, { 'content-type': 'application/json', ...reply.headers }).end(body);
  }
}

const refusal = (status: number, code: string, parameter?: string): Reply => {
  const words = { message: 'it says SECRET', long_message: 'eve@example.com is SECRET' };
  const meta = parameter ? { param_name: parameter } : {};
  return { status, body: { errors: [{ code, ...words, meta }], clerk_trace_id: 'trace' } };
};

let em: EntityManager;
let stub: StubClerk;
let settings: Settings;
let calls: ClerkCalls;
let organizations: ClerkOrganizations;
let sessions: ClerkSessions;

beforeAll(async () => {
  const [clerk, database] = [await TestClerk.start(), await createDatabase()];
  const orm = await MikroORM.init(ormOptions(database.url));
  onClose(() => orm.close());
  em = orm.em;
  stub = await StubClerk.start();
  settings = readSettings({ ...environmentOf(clerk, database), CLERK_API_URL: stub.url });
});
beforeEach(() => {
  stub.received.length = 0;
  stub.replies = [{}];
  calls = new ClerkCalls(em, new ClerkBreaker(), settings);
  organizations = new ClerkOrganizations(calls);
  sessions = new ClerkSessions(calls);
});

/** A call that does not write, one that may be repeated, and one that may not. */
const read = () => calls.send(z.unknown(), { path: '/organizations/org_1' });
const change = () => organizations.update('org_1', { name: 'Acme' });
const create = () => organizations.create({ name: 'Acme', createdBy: 'user_1' });

async function problemOf(call: Promise<unknown>): Promise<Problem> {
  const thrown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof Problem)) throw new Error('no Problem was thrown', { cause: thrown });
  return thrown;
}

describe('a call to Clerk', () => {
  it.each<[string, () => Promise<unknown>, string, unknown]>([
    [
      'POST /v1/organizations',
      () => organizations.create({ name: 'Acme', slug: 'acme', createdBy: 'user_1' }),
      '',
      { name: 'Acme', slug: 'acme', created_by: 'user_1' },
    ],
    ['PATCH /v1/organizations/org_1', () => organizations.update('org_1', { slug: 'a' }), '', { slug: 'a' }],
    ['DELETE /v1/organizations/org_1', () => organizations.delete('org_1'), '', undefined],
    [
      'PATCH /v1/organizations/org_1/memberships/user_1',
      () => organizations.changeRole('org_1', 'user_1', 'org:admin'),
      'orgmem_1',
      { role: 'org:admin' },
    ],
    [
      'DELETE /v1/organizations/org_1/memberships/user_1',
      () => organizations.removeMember('org_1', 'user_1'),
      'orgmem_1',
      undefined,
    ],
    [
      'POST /v1/organizations/org_1/invitations',
      () => organizations.invite('org_1', { email: 'eve@example.com', role: 'org:member', inviterUserId: 'user_1' }),
      'orginv_1',
      { email_address: 'eve@example.com', role: 'org:member', inviter_user_id: 'user_1' },
    ],
    [
      'POST /v1/organizations/org_1/invitations/orginv_1/revoke',
      () => organizations.revokeInvitation('org_1', 'orginv_1', 'user_1'),
      'orginv_1',
      { requesting_user_id: 'user_1' },
    ],
    ['GET /v1/sessions/sess_1', () => sessions.get('sess_1'), 'sess_1', undefined],
    ['POST /v1/sessions/sess_1/revoke', () => sessions.revoke('sess_1'), 'sess_1', {}],
  ])('is %s', async (route, call, id, body) => {
    const all = { orgmem_1: MEMBER, orginv_1: INVITATION, sess_1: SESSION };
    stub.replies = [{ body: all[id as keyof typeof all] ?? ORGANIZATION }];
    const answer = await call();
    if (id) expect(answer).toMatchObject({ id });
    const [{ method, url, headers, body: sent }] = stub.received as [Received];
    expect([`${method} ${url}`, sent]).toEqual([route, body]);
    expect(headers.authorization).toBe(`Bearer ${settings.clerk.secretKey}`);
    expect(headers['clerk-api-version']).toBe('2026-05-12');
  });

  it('lists the active sessions, and takes what is malformed for missing', async () => {
    stub.replies = [{ body: [SESSION] }];
    const [session] = await sessions.list('user_1');
    expect(session).toMatchObject({ id: 'sess_1', latest_activity: { city: 'Lisbon', is_mobile: null } });
    const query = new URL(stub.received[0]?.url ?? '', stub.url).searchParams;
    expect(Object.fromEntries(query)).toEqual({ user_id: 'user_1', status: 'active', limit: '100' });
    stub.replies = [{}];
    expect(await create()).toMatchObject({ name: 'Acme', image_url: null });
  });

  it('is not made with what is no id: the secret key goes nowhere else', async () => {
    expect(await sessions.get('../users/user_1')).toBeUndefined();
    for (const id of ['..', '', 'org_1/memberships', 'org_1?x', 'org_1%2f'])
      expect((await problemOf(organizations.delete(id))).code).toBe('not_found');
    expect(stub.received).toEqual([]);
  });

  it('finds no session where Clerk has none', async () => {
    stub.replies = [refusal(404, 'resource_not_found')];
    expect(await sessions.get('sess_1')).toBeUndefined();
    expect((await problemOf(sessions.revoke('sess_1'))).code).toBe('not_found');
  });

  it('is refused while a transaction is open', async () => {
    const own = em.fork();
    await expect(own.transactional(create)).rejects.toThrow('Clerk must not be called while a transaction is open');
    await expect(own.transactional(() => sessions.list('user_1'))).rejects.toThrow('transaction');
    expect(stub.received).toEqual([]);
  });
});

describe('what Clerk refuses', () => {
  it.each<[Reply, string, number]>([
    [refusal(422, 'form_param_format_invalid', 'name'), 'invalid_input', 400],
    [refusal(422, 'form_param_format_invalid', 'email_address'), 'conflict', 409],
    [refusal(400, 'request_body_invalid'), 'conflict', 409],
    [refusal(404, 'resource_not_found', 'name'), 'invalid_input', 400],
    [refusal(404, 'resource_not_found'), 'not_found', 404],
    [refusal(404, 'organization_invitation_not_found'), 'not_found', 404],
    [refusal(400, 'already_a_member_in_organization'), 'conflict', 409],
    [refusal(400, 'duplicate_record'), 'conflict', 409],
    [refusal(422, 'form_identifier_exists', 'slug'), 'conflict', 409],
    [refusal(400, 'organization_minimum_permissions_needed'), 'conflict', 409],
    [refusal(403, 'organization_membership_quota_exceeded'), 'conflict', 409],
    [refusal(404, 'organization_invitation_not_pending'), 'conflict', 409],
    [refusal(409, 'whatever'), 'conflict', 409],
    [refusal(429, 'too_many_requests'), 'rate_limited', 429],
    [refusal(401, 'clerk_key_invalid'), 'unavailable', 503],
    [refusal(403, 'authorization_invalid'), 'conflict', 409],
    [refusal(402, 'unsupported_subscription_plan_features'), 'conflict', 409],
    [refusal(402, 'insufficient_seats'), 'conflict', 409],
    [refusal(404, 'constructor'), 'conflict', 409],
    [refusal(408, 'request_timeout'), 'unavailable', 503],
    [refusal(500, 'internal_clerk_error'), 'unavailable', 503],
    [{ status: 404, body: 'not here' }, 'unavailable', 503],
    [{ status: 400, body: {} }, 'unavailable', 503],
    [{ status: 409, body: { errors: [] } }, 'unavailable', 503],
    [{ status: 302, headers: { location: '/elsewhere' } }, 'unavailable', 503],
    [{ body: 'no JSON' }, 'unavailable', 503],
    [{ body: { id: 7 } }, 'unavailable', 503],
    [{ body: 'null' }, 'unavailable', 503],
  ])('(%j) is %s', async (reply, code, status) => {
    stub.replies = [reply];
    const problem = await problemOf(create());
    expect([problem.code, problem.status]).toEqual([code, status]);
    expect(problem.cause).toHaveProperty('message');
    expect(JSON.stringify([problem.detail, problem.errors, problem.message])).not.toMatch(/SECRET|eve@/);
    expect('retry-after' in problem.headers).toBe(code === 'rate_limited' || code === 'unavailable');
    expect(stub.received).toHaveLength(1);
  });

  it('names the fields that the client sent, and no others', async () => {
    const parameters = ['email_address', 'name', 'slug', 'role', 'inviter_user_id', 'constructor'];
    const errors = parameters.map((name) => ({ code: 'form_param_invalid', meta: { param_name: name } }));
    stub.replies = [
      { status: 422, body: { errors: [...errors, { code: 'x' }, { code: 'x', meta: { param_name: 7 } }] } },
    ];
    const problem = await problemOf(create());
    const pointers = problem.errors?.map(({ pointer }) => pointer);
    expect(pointers).toEqual(['/name']);
  });
});

describe('a call that fails', () => {
  const inAMoment: Reply = { ...refusal(429, 'too_many_requests'), headers: { 'retry-after': '0.05' } };
  const outage: Reply = { status: 502, body: 'bad gateway' };

  it('is made again when Clerk was too busy and says when, a POST, too', async () => {
    stub.replies = [inAMoment, inAMoment, {}];
    expect(await create()).toMatchObject({ id: 'org_1' });
    expect(stub.received).toHaveLength(3);
  });

  it('is made no third time', async () => {
    stub.replies = [inAMoment];
    expect((await problemOf(create())).code).toBe('rate_limited');
    expect(stub.received).toHaveLength(3);
  });

  it('is not made again when that would take too long, or Clerk does not say when', async () => {
    stub.replies = [{ ...refusal(429, 'too_many_requests'), headers: { 'retry-after': '30' } }];
    expect((await problemOf(read())).headers['retry-after']).toBe('30');
    calls = new ClerkCalls(em, new ClerkBreaker(), settings);
    sessions = new ClerkSessions(calls);
    stub.replies = [refusal(429, 'too_many_requests')];
    expect((await problemOf(read())).headers['retry-after']).toBe('10');
    expect(stub.received).toHaveLength(2);
  });

  it.each([
    ['a server error', outage],
    ['a connection that breaks off', 'break off' as const],
  ])('with %s is made once more, but never a POST', async (_, failure) => {
    stub.replies = [failure, {}];
    expect(await change()).toMatchObject({ id: 'org_1' });
    expect(stub.received).toHaveLength(2);
    stub.replies = [failure];
    expect((await problemOf(read())).code).toBe('unavailable');
    expect(stub.received).toHaveLength(4);
    calls = new ClerkCalls(em, new ClerkBreaker(), settings);
    stub.replies = [failure, {}];
    expect((await problemOf(new ClerkOrganizations(calls).create({ name: 'A', createdBy: 'user_1' }))).code).toBe(
      'unavailable',
    );
    expect(stub.received).toHaveLength(5);
  });

  it('may have taken effect though Clerk is too busy for the next attempt', async () => {
    stub.replies = [outage, refusal(429, 'too_many_requests')];
    expect((await problemOf(change())).code).toBe('unavailable');
    expect(stub.received).toHaveLength(2);
  });

  it('for want of a server is unavailable', async () => {
    const nowhere = { ...settings, clerk: { ...settings.clerk, apiUrl: 'http://127.0.0.1:1' } };
    calls = new ClerkCalls(em, new ClerkBreaker(), nowhere);
    expect((await problemOf(read())).code).toBe('unavailable');
  });

  it('ends with its connection after a time-out, and is not made again', async () => {
    stub.replies = ['hang'];
    const aborted = stub.aborted;
    const problem = await problemOf(change());
    expect([problem.code, problem.status]).toEqual(['unavailable', 503]);
    expect(problem.cause).toMatchObject({ name: 'TimeoutError' });
    while (stub.aborted === aborted) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(stub.received).toHaveLength(1);
  });

  it('is not even begun when its use case has no time left', async () => {
    const until = clerkDeadline();
    expect((await problemOf(sessions.get('sess_1', until - 7000))).code).toBe('unavailable');
    expect(stub.received).toEqual([]);
  });
});

describe('while Clerk is away', () => {
  it('nobody asks it after three failures in a row', async () => {
    stub.replies = [{ status: 500, body: '' }];
    for (let i = 0; i < 3; i++) await problemOf(create());
    stub.replies = [{}];
    expect((await problemOf(create())).headers).toMatchObject({ 'retry-after': expect.any(String) });
    expect(stub.received).toHaveLength(3);
  });

  it('whoever noticed it first tells the others', async () => {
    const { app: own } = await startApp(await TestClerk.start(), { CLERK_API_URL: stub.url });
    stub.received.length = 0;
    stub.replies = [{ status: 500, body: '' }];
    for (let i = 0; i < 3; i++) expect(await own.get(ClerkApi).findUser('user_1')).toBe('away');
    const received = stub.received.length;
    expect((await problemOf(own.get(ClerkSessions).list('user_1'))).code).toBe('unavailable');
    expect((await problemOf(own.get(ClerkOrganizations).delete('org_1'))).code).toBe('unavailable');
    expect(stub.received).toHaveLength(received);
  });

  it.each([400, 401, 404, 422, 429])('%i is no sign of it', async (status) => {
    stub.replies = [refusal(status, 'resource_not_found')];
    for (let i = 0; i < 6; i++) await problemOf(create());
    expect(stub.received).toHaveLength(6);
  });

  it.each([
    ['413 in plain text', { status: 413, headers: { 'content-type': 'text/plain' }, body: 'too large' }],
    ['403 in HTML', { status: 403, headers: { 'content-type': 'text/html' }, body: '<h1>no</h1>' }],
    ['400 without a body', { status: 400, body: '' }],
    ['an answer that cannot be read', { body: { id: 7 } }],
    ['an answer that is no JSON', { body: '<h1>hello</h1>' }],
  ])('%s is no sign of it, whatever it says of the call', async (_, reply) => {
    stub.replies = [reply];
    for (let i = 0; i < 6; i++) expect((await problemOf(create())).code).toBe('unavailable');
    expect(stub.received).toHaveLength(6);
  });

  it.each([408, 500, 503])('%i is a sign of it', async (status) => {
    stub.replies = [{ status, body: '' }];
    for (let i = 0; i < 6; i++) await problemOf(create());
    expect(stub.received).toHaveLength(3);
  });

  it('failures in between are forgotten', async () => {
    for (let i = 0; i < 4; i++) {
      stub.replies = [{ status: 500, body: '' }];
      await problemOf(create());
      await problemOf(create());
      stub.replies = [refusal(404, 'resource_not_found')];
      await problemOf(create());
    }
    expect(stub.received).toHaveLength(12);
  });
});

describe('calls at one time', () => {
  it('are twenty at most, and nothing waits for its turn', async () => {
    stub.replies = ['hang'];
    const codes: string[] = [];
    const all = Array.from({ length: 24 }, async () => codes.push((await problemOf(create())).code));
    await Promise.race(all.slice(20));
    expect(stub.received.length).toBeLessThanOrEqual(20);
    await Promise.all(all);
    expect([stub.received.length, new Set(codes)]).toEqual([20, new Set(['unavailable'])]);
  });

  it('are no more than our half of the limit, and who comes beyond is told when to come again', async () => {
    const outcomes = [];
    for (let i = 0; i < 60; i++) outcomes.push(await problemOf(read()).catch(() => undefined));
    const refused = outcomes.filter((problem) => problem !== undefined);
    expect(refused.length).toBeGreaterThan(0);
    expect(stub.received.length).toBeGreaterThanOrEqual(25);
    expect(stub.received.length).toBeLessThanOrEqual(50);
    for (const { code, headers } of refused)
      expect([code, headers['retry-after']]).toEqual(['rate_limited', expect.stringMatching(/^[1-9]$/)]);
  });
});

describe('what reconciliation reads', () => {
  let reader: ClerkReader;
  beforeEach(() => {
    reader = new ClerkReader(em, settings);
  });
  const asked = () => new URL(stub.received.at(-1)?.url ?? '', stub.url);

  it('is organizations by page, by id, alone and their number', async () => {
    stub.replies = [{ body: { data: [{ ...ORGANIZATION, created_at: 5 }], total_count: 9 } }];
    expect(await reader.organizations(1000)).toMatchObject([{ id: 'org_1', created_at: 5 }]);
    expect(Object.fromEntries(asked().searchParams)).toEqual({ order_by: '+created_at', offset: '1000', limit: '500' });
    await reader.organizationsOf(['org_1', 'org_2']);
    expect(asked().searchParams.getAll('organization_id')).toEqual(['org_1', 'org_2']);
    expect(asked().searchParams.get('limit')).toBe('100');
    expect(await reader.countOrganizations()).toBe(9);
    stub.replies = [{}];
    expect(await reader.organization('org_1')).toMatchObject({ name: 'Acme' });
    expect(asked().pathname).toBe('/v1/organizations/org_1');
    stub.replies = [refusal(404, 'resource_not_found')];
    expect(await reader.organization('org_1')).toBe('absent');
  });

  it('is memberships by page, of some users and their number', async () => {
    stub.replies = [{ body: { data: [MEMBER], total_count: 9 } }];
    expect(await reader.memberships(0)).toMatchObject([{ id: 'orgmem_1', organization: { id: 'org_1' } }]);
    expect(asked().pathname).toBe('/v1/organization_memberships');
    expect(await reader.membershipsOf('org_1', ['user_1', 'user_2'])).toHaveLength(1);
    expect(asked().pathname).toBe('/v1/organizations/org_1/memberships');
    expect(asked().searchParams.getAll('user_id')).toEqual(['user_1', 'user_2']);
    expect(await reader.countMemberships()).toBe(9);
    stub.replies = [refusal(404, 'resource_not_found')];
    expect(await reader.membershipsOf('org_1', ['user_1'])).toBe('absent');
    stub.replies = [{ status: 404, body: 'not here' }];
    await expect(reader.membershipsOf('org_1', ['user_1'])).rejects.toThrow('404');
  });

  it('is asked for again', async () => {
    stub.replies = [{ status: 500, body: '' }, { body: { data: [], total_count: 0 } }];
    expect(await reader.organizations(0)).toEqual([]);
    expect(stub.received).toHaveLength(2);
  });
});
