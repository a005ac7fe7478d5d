import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { ClerkProxy } from './support/clerk-proxy.ts';
import { aMember, anAdmin, type Member, meet, rowsOf } from './support/tenants.ts';

const MEMBERS = '/v1/tenant/members';
const INVITATIONS = '/v1/tenant/invitations';
const MEMBERSHIPS = '/v1/me/memberships';
const SESSIONS = '/v1/me/sessions';
const KEYS = '/v1/tenant/api-keys';

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const tenantIdOf = async (app: TestApp, member: Member) => (await meet(app, member.token())).tenant?.id ?? '';
const userIdOf = async (app: TestApp, member: Member) => (await meet(app, member.token())).user.id;

/** A tenant with an admin, a member, an invitation and a second session, and every way to write to Clerk in it. */
interface House {
  ours: Member;
  member: Member;
  sessionId: string;
  writes: { name: string; method: string; path: string; body?: object }[];
}

async function aHouse(app: TestApp): Promise<House> {
  const ours = anAdmin(clerk);
  const member = aMember(clerk, ours.organization);
  const second = anAdmin(clerk, ours.organization);
  const [memberId, secondId] = [await userIdOf(app, member), await userIdOf(app, second)];
  const tenantId = await tenantIdOf(app, ours);
  const { id: sessionId } = clerk.directory.sessions.start(ours.user.id);
  const invitationId = await anInvitation(app, ours);
  const writes = [
    { name: 'create', method: 'POST', path: '/v1/tenants', body: { name: 'Globex' } },
    { name: 'change', method: 'PATCH', path: '/v1/tenant', body: { name: 'Acme 2', settings: { a: 1 } } },
    { name: 'change role', method: 'PATCH', path: `${MEMBERS}/${memberId}`, body: { role: 'org:admin' } },
    { name: 'demote', method: 'PATCH', path: `${MEMBERS}/${secondId}`, body: { role: 'org:member' } },
    { name: 'remove', method: 'DELETE', path: `${MEMBERS}/${memberId}` },
    { name: 'invite', method: 'POST', path: INVITATIONS, body: { email: 'grace@example.com' } },
    { name: 'revoke invitation', method: 'DELETE', path: `${INVITATIONS}/${invitationId}` },
    { name: 'leave', method: 'DELETE', path: `${MEMBERSHIPS}/${tenantId}` },
    { name: 'revoke session', method: 'DELETE', path: `${SESSIONS}/${sessionId}` },
    { name: 'delete', method: 'DELETE', path: '/v1/tenant' },
  ];
  return { ours, member, sessionId, writes };
}

/** Told as an event, so that no call of the app's is used up. */
async function anInvitation(app: TestApp, { organization, user }: Member): Promise<string> {
  const facts = { email_address: `${randomUUID()}@example.com`, role: 'org:member', inviter_user_id: user.id };
  const invitation = clerk.organizations.invitations.create(organization.id, facts);
  await clerk.deliver(app.url, clerk.anEvent('organizationInvitation.created', invitation));
  const [row] = await app.database.query<{ id: string }>('select id from invitations where clerk_id = $1', [
    invitation.id,
  ]);
  return row?.id ?? '';
}

/** What a refusal must leave as it was; `leaving_since` may stay where it is not known what came of it. */
async function stateOf(app: TestApp, { ours, sessionId }: House, { withMarks } = { withMarks: true }) {
  const rows = await rowsOf(app.database, ours.organization);
  const memberships = rows.memberships?.map((row) => (withMarks ? row : { ...row, leaving_since: null }));
  const revocations = await app.database.query('select * from revocations where clerk_id like $1', [
    `%${ours.organization.id}%`,
  ]);
  const sessions = await app.database.query('select * from revocations where clerk_id = $1', [sessionId]);
  const count = await app.database.query('select count(*) from tenants');
  return { ...rows, memberships, revocations, sessions, count };
}

async function anApp(): Promise<{ app: TestApp; proxy: ClerkProxy }> {
  const proxy = await ClerkProxy.start(clerk.origin);
  return { app: await startApp(clerk, { CLERK_API_URL: proxy.url }), proxy };
}

const isOfTheWrite = ({ path }: { path: string }) => !path.startsWith('/v1/users/');

describe('input that is not good', () => {
  let app: TestApp;
  let house: House;

  beforeAll(async () => {
    app = await startApp(clerk);
    house = await aHouse(app);
  });

  const EVERYWHERE: [object | string, string][] = [
    ['[]', ''],
    ['null', ''],
    ['"x"', ''],
    ['{', ''],
    ['', ''],
  ];
  const NAMES: [object, string][] = [
    [{ name: '' }, '/name'],
    [{ name: '   ' }, '/name'],
    [{ name: null }, '/name'],
    [{ name: 5 }, '/name'],
    [{ name: 'x'.repeat(257) }, '/name'],
    [{ name: 'x\u0000' }, '/name'],
    [{ name: '\ud800' }, '/name'],
    [{ name: 'x', clerkId: 'org_x' }, '/clerkId'],
    [{ name: 'x', created_by: 'user_x' }, '/created_by'],
    ...['', 'A', 'a b', '-a', 'a-', 'ä', 'a/b', 'a'.repeat(257), null, 1].map((slug): [object, string] => [
      { name: 'x', slug },
      '/slug',
    ]),
  ];
  const NO_ADDRESSES = [
    'x@example.com\u0000',
    '@müller.example',
    'x@müller',
    'x@.example',
    'x@mü ller.example',
    'x@mü\u00adller.example',
    'x@müller.example/path',
    'x@m%C3%BCller.example',
    'x@müller.example\u202e',
    'a..b@müller.example',
    '"a b"@müller.example',
    'x\n@müller.example',
    'x@y@müller.example',
    'x@[127.0.0.1]',
  ];
  const BODIES: Record<string, [object | string, string][]> = {
    create: [...NAMES, [{}, '/name'], [{ name: 'x', settings: {} }, '/settings']],
    change: [
      ...NAMES,
      [{ settings: [] }, '/settings'],
      [{ settings: null }, '/settings'],
      [{ settings: { a: 'x'.repeat(8200) } }, '/settings'],
      [{ settings: { a: '\u0000' } }, '/settings'],
      [{ maxMembers: 5 }, '/maxMembers'],
    ],
    'change role': [
      [{}, '/role'],
      [{ role: '' }, '/role'],
      [{ role: null }, '/role'],
      [{ role: 'org admin' }, '/role'],
      [{ role: 'org:admin', userId: 'x' }, '/userId'],
    ],
    invite: [
      [{}, '/email'],
      [{ email: 'x' }, '/email'],
      [{ email: 'x@' }, '/email'],
      [{ email: `${'x'.repeat(250)}@example.com` }, '/email'],
      ...NO_ADDRESSES.map((email): [object, string] => [{ email }, '/email']),
      [{ email: 'x@example.com', role: 'a b' }, '/role'],
      [{ email: 'x@example.com', inviter_user_id: 'user_x' }, '/inviter_user_id'],
      [{ email: ['x@example.com'] }, '/email'],
    ],
  };

  it.each(Object.keys(BODIES))('to %s is refused before Clerk is asked, and changes nothing', async (name) => {
    const { method, path } = house.writes.find((write) => write.name === name) ?? { method: '', path: '' };
    const before = await stateOf(app, house);
    const calls = clerk.calls.filter((call) => isOfTheWrite({ path: call })).length;
    for (const [body, pointer] of [...EVERYWHERE, ...(BODIES[name] ?? [])]) {
      const answer = await app.as(house.ours.token(), path, {
        method,
        body,
        headers: { 'content-type': 'application/json' },
      });
      const { code, errors } = answer.body as { code: string; errors: { pointer: string }[] };
      expect([body, answer.status, code, errors?.[0]?.pointer ?? '']).toEqual([body, 400, 'invalid_input', pointer]);
    }
    expect(clerk.calls.filter((call) => isOfTheWrite({ path: call }))).toHaveLength(calls);
    expect(await stateOf(app, house)).toEqual(before);
  });

  it.each([MEMBERS, INVITATIONS, MEMBERSHIPS])('in the query of %s is refused', async (path) => {
    for (const [query, code] of [
      ['limit=0', 'invalid_input'],
      ['limit=101', 'invalid_input'],
      ['limit=x', 'invalid_input'],
      ['limit=1&limit=2', 'invalid_input'],
      ['tenantId=x', 'invalid_input'],
      ['cursor=x', 'invalid_cursor'],
      [`cursor=${Buffer.from('"x"').toString('base64url')}`, 'invalid_cursor'],
      [`cursor=${'x'.repeat(5000)}`, 'invalid_cursor'],
    ]) {
      const { status, body } = await app.as(house.ours.token(), `${path}?${query}`);
      expect([query, status, body.code]).toEqual([query, 400, code]);
    }
  });
});

describe('a list', () => {
  let app: TestApp;

  beforeAll(async () => {
    app = await startApp(clerk);
  });

  async function walk(token: () => string, path: string, limit: number, idOf: (row: never) => string) {
    const ids: string[] = [];
    for (let query = `?limit=${limit}`; ; ) {
      const { status, body } = await app.as(token(), `${path}${query}`);
      expect(status).toBe(200);
      const { data, nextCursor } = body as { data: never[]; nextCursor: string | null };
      expect(data.length).toBeLessThanOrEqual(limit);
      ids.push(...data.map(idOf));
      if (nextCursor === null) return ids;
      query = `?limit=${limit}&cursor=${nextCursor}`;
    }
  }

  const idOfUser = ({ user }: { user: { id: string } }) => user.id;

  it.each([1, 2, 5, 6, 100])('of members is walked by pages of %i, each once', async (limit) => {
    const ours = anAdmin(clerk);
    const others = Array.from({ length: 4 }, () => aMember(clerk, ours.organization));
    const ids: string[] = [];
    for (const member of [ours, ...others]) ids.unshift(await userIdOf(app, member));
    expect(await walk(ours.token, MEMBERS, limit, idOfUser)).toEqual(ids);
  });

  it('of invitations and of own memberships is walked, too, and a cursor of another tenant’s shows nothing of it', async () => {
    const ours = anAdmin(clerk);
    await meet(app, ours.token());
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.unshift(await anInvitation(app, ours));
    expect(await walk(ours.token, INVITATIONS, 2, ({ id }: { id: string }) => id)).toEqual(ids);
    const theirs = anAdmin(clerk);
    const { body } = await app.as(ours.token(), `${INVITATIONS}?limit=2`);
    const seen = await app.as(theirs.token(), `${INVITATIONS}?cursor=${body.nextCursor as string}`);
    expect([seen.status, seen.body.data]).toEqual([200, []]);
    const tenants: string[] = [await tenantIdOf(app, ours)];
    for (let i = 0; i < 3; i++)
      tenants.unshift(await tenantIdOf(app, aMember(clerk, clerk.anOrganization(), 'org:member', ours.user)));
    const idOfTenant = ({ tenant }: { tenant: { id: string } }) => tenant.id;
    expect(await walk(ours.token, MEMBERSHIPS, 3, idOfTenant)).toEqual(tenants);
  });
});

describe('what is another tenant’s', () => {
  let app: TestApp;
  let ours: Member;
  let theirs: House;

  beforeAll(async () => {
    app = await startApp(clerk);
    ours = anAdmin(clerk);
    await meet(app, ours.token());
    theirs = await aHouse(app);
  });

  /** Status, headers and bytes of an answer, less what names the request. */
  async function answerTo(method: string, collection: string, id: string, body?: object): Promise<unknown> {
    const response = await fetch(`${app.url}${collection}/${id}`, {
      method,
      body: JSON.stringify(body),
      headers: { authorization: `Bearer ${ours.token()}`, 'content-type': 'application/json', 'x-request-id': 'same' },
    });
    const { date, 'keep-alive': _, 'content-length': __, ...headers } = Object.fromEntries(response.headers);
    return [response.status, headers, (await response.text()).replace(`${collection}/${id}`, '')];
  }

  it.each([
    ['PATCH', MEMBERS, { role: 'org:admin' }],
    ['DELETE', MEMBERS, undefined],
    ['DELETE', INVITATIONS, undefined],
    ['DELETE', MEMBERSHIPS, undefined],
    ['DELETE', SESSIONS, undefined],
  ])('is to %s %s as what never was, to the byte', async (method, collection, body) => {
    const foreign = theirs.writes.find((write) => write.path.startsWith(collection) && write.method === method);
    const id = foreign?.path.split('/').at(-1) ?? '';
    const before = await stateOf(app, theirs);
    const isSession = collection === SESSIONS;
    const unknown = await answerTo(method, collection, isSession ? 'sess_unknown' : randomUUID(), body);
    expect(unknown).toMatchObject([
      404,
      { 'content-type': expect.stringContaining('problem+json') },
      expect.any(String),
    ]);
    for (const each of [id, id.toUpperCase(), 'x', `${id}x`, '%00', '%F0%9F%9A%80', "'%20or%20''='", '..%2f..%2fusers'])
      expect([each, await answerTo(method, collection, each, body)]).toEqual([each, unknown]);
    expect(await stateOf(app, theirs)).toEqual(before);
  });

  it('is not reached with any path while another tenant is active', async () => {
    for (const { method, path, body } of theirs.writes.filter(({ path: to }) => to.split('/').length > 4))
      expect([path, (await app.as(ours.token(), path, { method, body })).status]).toEqual([path, 404]);
  });
});

describe('a refusal of Clerk’s', () => {
  it.each([
    [400, 'form_param_unknown', 'secret_name', {}, 409, 'conflict', undefined, undefined],
    [402, 'insufficient_seats', undefined, {}, 409, 'conflict', undefined, undefined],
    [422, 'nobody_knows_this_code', undefined, {}, 409, 'conflict', undefined, undefined],
    [404, 'resource_not_found', undefined, {}, 404, 'not_found', undefined, undefined],
    [403, 'organization_membership_quota_exceeded', undefined, {}, 409, 'conflict', undefined, undefined],
    [409, 'whatever', undefined, {}, 409, 'conflict', undefined, undefined],
    [403, 'not_an_admin_in_organization', undefined, {}, 409, 'conflict', undefined, undefined],
    [401, 'clerk_key_invalid', undefined, {}, 503, 'unavailable', undefined, '5'],
    [429, 'too_many_requests', undefined, { 'retry-after': '17' }, 429, 'rate_limited', undefined, /^1[5-7]$/],
  ] as const)(
    '%i %s is translated, and nothing is changed here',
    async (status, code, parameter, headers, expected, problem, pointer, retryAfter) => {
      const { app, proxy } = await anApp();
      const house = await aHouse(app);
      const before = await stateOf(app, house);
      const error = { code, message: 'in the words of Clerk', meta: parameter ? { param_name: parameter } : {} };
      proxy.instead = (call) =>
        isOfTheWrite(call) && call.path !== '/v1/jwks' ? { status, headers, body: { errors: [error] } } : undefined;
      // what Clerk does not have any more has ended, as was asked: that is no refusal
      const left = expected === 404 ? ['demote', 'remove', 'leave', 'delete'] : ['demote'];
      for (const { name, method, path, body } of house.writes) {
        if (left.includes(name)) continue;
        const answer = await app.as(house.ours.token(), path, { method, body });
        const errors = answer.body.errors as { pointer: string }[] | undefined;
        expect([name, answer.status, answer.body.code, errors?.[0]?.pointer, answer.headers['retry-after']]).toEqual([
          name,
          expected,
          problem,
          pointer,
          retryAfter instanceof RegExp ? expect.stringMatching(retryAfter) : retryAfter,
        ]);
        expect(JSON.stringify(answer.body)).not.toMatch(/words of Clerk|secret_name|sk_test/);
      }
      const unknown = problem === 'unavailable';
      expect(await stateOf(app, house, { withMarks: !unknown })).toEqual(before);
      proxy.instead = () => undefined;
      for (const member of [house.ours, house.member]) await meet(app, member.token());
    },
  );
});

describe('a refusal of Clerk’s about a field', () => {
  it.each([
    ['slug', 'change', { slug: 'acme-9' }, '/slug'],
    ['email_address', 'invite', { email: 'eve@example.com' }, '/email'],
    ['role', 'change role', { role: 'org:admin' }, '/role'],
  ])('names it where it was sent (%s)', async (parameter, name, body, pointer) => {
    const { app, proxy } = await anApp();
    const house = await aHouse(app);
    const error = { code: 'form_param_value_invalid', message: '', meta: { param_name: parameter } };
    proxy.instead = (call) => (isOfTheWrite(call) ? { status: 422, body: { errors: [error] } } : undefined);
    const { method, path } = house.writes.find((write) => write.name === name) ?? { method: '', path: '' };
    const answer = await app.as(house.ours.token(), path, { method, body });
    expect([answer.status, answer.body.code, answer.body.errors]).toEqual([
      400,
      'invalid_input',
      [expect.objectContaining({ pointer })],
    ]);
  });
});

describe('a call that something before Clerk refuses', () => {
  it('is the trouble of that call: another tenant’s admin ends a session', async () => {
    const { app, proxy } = await anApp();
    const [ours, theirs] = [anAdmin(clerk), anAdmin(clerk)];
    for (const member of [ours, theirs]) await meet(app, member.token());
    const { id } = clerk.directory.sessions.start(theirs.user.id);
    const headers = { 'content-type': 'text/plain' };
    proxy.instead = ({ path }) =>
      path.endsWith('/invitations') ? { status: 413, headers, body: 'Payload Too Large' } : undefined;
    for (let i = 0; i < 4; i++) {
      const body = { email: `x${i}@example.com` };
      expect((await app.as(ours.token(), INVITATIONS, { method: 'POST', body })).status).toBe(503);
    }
    expect(proxy.count('POST', `/v1/organizations/${ours.organization.id}/invitations`)).toBe(4);
    expect((await app.as(theirs.token(), `${SESSIONS}/${id}`, { method: 'DELETE' })).status).toBe(204);
  });
});

describe('a user whom Clerk describes in another form', () => {
  it('is the trouble of that user: four of them leave Clerk to the others', async () => {
    const { app, proxy } = await anApp();
    const theirs = anAdmin(clerk);
    await meet(app, theirs.token());
    const { id } = clerk.directory.sessions.start(theirs.user.id);
    proxy.meddle = (exchange) => {
      if (exchange.path.startsWith('/v1/users/')) exchange.body = { ...(exchange.body as object), id: 7 };
    };
    for (let i = 0; i < 4; i++) expect((await app.as(clerk.aToken(), '/v1/me')).status).toBe(200);
    expect((await app.as(theirs.token(), `${SESSIONS}/${id}`, { method: 'DELETE' })).status).toBe(204);
  });
});

describe('a tenant that Clerk has enough of for a while', () => {
  it('keeps no other from it: it alone is told to come later', async () => {
    const { app, proxy } = await anApp();
    const [ours, theirs] = [anAdmin(clerk), anAdmin(clerk)];
    for (const member of [ours, theirs]) await meet(app, member.token());
    const body = { errors: [{ code: 'too_many_requests', message: '' }] };
    proxy.instead = ({ path }) =>
      path.startsWith(`/v1/organizations/${ours.organization.id}/`)
        ? { status: 429, headers: { 'retry-after': '5' }, body }
        : undefined;
    const inviting = Array.from({ length: 20 }, async (_, i) => {
      const invitation = { email: `x${i}@example.com` };
      return (await app.as(ours.token(), INVITATIONS, { method: 'POST', body: invitation })).status;
    });
    const invited = () => proxy.count('POST', `/v1/organizations/${ours.organization.id}/invitations`);
    while (invited() === 0) await pause(10);
    const { status } = await app.as(theirs.token(), '/v1/tenant', { method: 'PATCH', body: { name: 'Globex' } });
    expect(status).toBe(200);
    expect(new Set(await Promise.all(inviting))).toEqual(new Set([429]));
  });
});

describe('while Clerk is away', () => {
  it.each(['fails', 'refuses', 'hangs'] as const)(
    '(it %s) every write ends as 503 and changes nothing here',
    async (how) => {
      const app = await startApp(clerk);
      const house = await aHouse(app);
      const before = await stateOf(app, house, { withMarks: false });
      clerk.behaviour = how;
      try {
        for (const { name, method, path, body } of house.writes) {
          const { status, headers, body: answer } = await app.as(house.ours.token(), path, { method, body });
          expect([name, status, answer.code, headers['retry-after']]).toEqual([name, 503, 'unavailable', '5']);
          await app.database.query('update memberships set leaving_since = null');
        }
        const lists = [MEMBERS, INVITATIONS, MEMBERSHIPS, '/v1/tenant', '/v1/me'];
        for (const path of lists) expect([path, (await app.as(house.ours.token(), path)).status]).toEqual([path, 200]);
        expect((await app.as(house.ours.token(), SESSIONS)).status).toBe(503);
      } finally {
        clerk.behaviour = 'answers';
      }
      expect(await stateOf(app, house, { withMarks: false })).toEqual(before);
    },
  );

  it('or slow no transaction is open, and no connection in use', async () => {
    const { app, proxy } = await anApp();
    const house = await aHouse(app);
    let seen: object[] = [];
    let held = 0;
    // what waits for Clerk runs no statement itself: an active one is of the jobs beside it
    proxy.meddle = async (exchange) => {
      if (!isOfTheWrite(exchange)) return;
      held++;
      await pause(100);
      seen = seen.concat(
        await app.database.query(
          `select state, query from pg_stat_activity
           where datname = current_database() and usename <> current_user and state like 'idle in transaction%'`,
        ),
      );
    };
    // who demotes the other admin is the last, and cannot leave
    for (const left of ['leave', 'demote']) {
      const { ours, writes } = left === 'leave' ? house : await aHouse(app);
      for (const { name, method, path, body } of writes.filter((write) =>
        left === 'leave' ? write.name !== left : write.name === 'leave',
      )) {
        const { status } = await app.as(ours.token(), path, { method, body });
        expect([name, Math.floor(status / 100)]).toEqual([name, 2]);
      }
    }
    expect(held).toBeGreaterThanOrEqual(house.writes.length);
    expect(seen).toEqual([]);
  });
});

describe('what cannot be read in a list of Clerk’s', () => {
  const FORMS: [string, (object: object) => unknown][] = [
    ['is null', () => null],
    ['is a text', () => 'gone'],
    ['has no id', (object) => ({ ...object, id: undefined })],
    ['has fields of other types', (object) => ({ ...object, status: 7, name: null })],
  ];

  /** Clerk shows the object so, alone and in lists. */
  function malform(proxy: ClerkProxy, id: string, change: (object: object) => unknown): void {
    const changed = (each: unknown) => ((each as { id?: string } | null)?.id === id ? change(each as object) : each);
    proxy.meddle = (exchange) => {
      const { body } = exchange;
      const list = Array.isArray(body) ? body : (body as { data?: unknown[] }).data;
      if (list) list.splice(0, list.length, ...list.map(changed));
      else exchange.body = changed(body);
    };
  }

  it.each(FORMS)('hides no other session: one that %s', async (_, change) => {
    const { app, proxy } = await anApp();
    const { id: userId } = clerk.aUser();
    const [own, broken, other] = [1, 2, 3].map(() => clerk.directory.sessions.start(userId).id) as [
      string,
      string,
      string,
    ];
    const token = clerk.aToken({ sub: userId, sid: own });
    malform(proxy, broken, change);
    const { status, body } = await app.as(token, SESSIONS);
    const ids = (body.data as { id: string }[]).map(({ id }) => id);
    expect([status, ids.toSorted()]).toEqual([200, [own, other].toSorted()]);
  });

  it.each(FORMS)('hides no other API key, on whichever page: one that %s', async (_, change) => {
    const { app, proxy } = await anApp();
    const { organization, token } = anAdmin(clerk);
    const keys = Array.from({ length: 5 }, () => clerk.anApiKey({ subject: organization.id }).id).toReversed();
    malform(proxy, keys[1] ?? '', change);
    const shown: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { status, body } = await app.as(token(), `${KEYS}?limit=2${cursor ? `&cursor=${cursor}` : ''}`);
      expect(status).toBe(200);
      shown.push(...(body.data as { id: string }[]).map(({ id }) => id));
      cursor = body.nextCursor as string | null;
    }
    expect(shown).toEqual(keys.filter((id) => id !== keys[1]));
  });

  it('can be revoked all the same, where Clerk says whose it is', async () => {
    const { app, proxy } = await anApp();
    const { organization, user, token } = anAdmin(clerk);
    const { id: keyId, secret } = clerk.anApiKey({ subject: organization.id });
    const { id: sessionId } = clerk.directory.sessions.start(user.id);
    for (const [id, path] of [
      [keyId, KEYS],
      [sessionId, SESSIONS],
    ] as const) {
      malform(proxy, id, (object) => ({ ...object, status: 7, name: null }));
      expect((await app.as(token(), `${path}/${id}`, { method: 'DELETE' })).status).toBe(204);
    }
    expect(clerk.directory.session(sessionId).status).toBe('revoked');
    expect((await app.as(secret, '/v1/projects')).body.code).toBe('token_revoked');
  });

  it('is an outage where it is all of the answer', async () => {
    const { app, proxy } = await anApp();
    const { token } = anAdmin(clerk);
    proxy.meddle = (exchange) => Object.assign(exchange, { body: 'nothing' });
    for (const path of [SESSIONS, KEYS])
      expect(await app.as(token(), path)).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  });
});
