import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { SEEMLY_NAMES, UNSEEMLY_NAMES } from './support/names.ts';
import { aMember, anAdmin, type Caller } from './support/tenants.ts';

interface Project {
  id: string;
  name: string;
  archivedAt: string | null;
  createdAt: string;
  updatedAt: string;
}

const PROJECTS = '/v1/projects';

let clerk: TestClerk;
let app: TestApp;
let acme: { id: string };
let ours: Caller;
let theirs: Caller;
let nobody: Caller;
/** Of our tenant, without the permission to write. */
let member: Caller;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk, clerk.productionEnv);
  const organization = clerk.anOrganization();
  acme = organization;
  ours = anAdmin(clerk, organization).token;
  theirs = anAdmin(clerk).token;
  member = aMember(clerk, organization).token;
  const { id } = clerk.aUser();
  nobody = () => clerk.aToken({ sub: id });
});

const ask = (caller: Caller, method: string, path: string, body?: object) => app.as(caller(), path, { method, body });
const pathOf = ({ id }: { id: string }) => `${PROJECTS}/${id}`;

async function aProject({ name = 'Apollo', by = ours } = {}): Promise<Project> {
  const { status, body } = await ask(by, 'POST', PROJECTS, { name });
  expect(status).toBe(201);
  return body as unknown as Project;
}

async function change(project: Project, changes: object): Promise<Project> {
  const { status, body } = await ask(ours, 'PATCH', pathOf(project), changes);
  expect(status).toBe(200);
  return body as unknown as Project;
}

async function pageOf(by: Caller, query: string): Promise<{ data: Project[]; nextCursor: string | null }> {
  const { status, body } = await ask(by, 'GET', `${PROJECTS}?${query}`);
  expect(status).toBe(200);
  return body as never;
}

const listed = async (by: Caller, query = 'limit=100') => (await pageOf(by, query)).data.map(({ id }) => id);
const rowOf = async ({ id }: { id: string }) =>
  (await app.database.query('select * from projects where id = $1', [id]))[0];

describe('a project', () => {
  it('is created in the tenant of its caller, and found where the answer says', async () => {
    const { status, headers, body } = await ask(ours, 'POST', PROJECTS, { name: '  Apollo 11\n' });
    const { id } = body as { id: string };
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const project = { id: expect.any(String), name: 'Apollo 11', archivedAt: null, createdAt: time, updatedAt: time };
    expect([status, body]).toEqual([201, project]);
    expect(headers.location).toBe(`${PROJECTS}/${id}`);
    expect((await ask(ours, 'GET', headers.location ?? '')).body).toEqual(body);
    const { tenant } = (await app.as(ours(), '/v1/me')).body as { tenant: { id: string } };
    expect(await rowOf({ id })).toMatchObject({ tenant_id: tenant.id, name: 'Apollo 11' });
  });

  it.each([
    ['one character', 'x'],
    ['two hundred', 'x'.repeat(200)],
    ['two hundred of four bytes', '\u{1F680}'.repeat(200)],
    ['several scripts', '漢字 – “ñ”'],
    ['SQL', "'; drop table projects --"],
  ])('may have %s for a name', async (_, name) => {
    const project = await aProject({ name });
    expect((await ask(ours, 'GET', pathOf(project))).body).toMatchObject({ name });
  });

  it('is renamed, archived and restored, each by itself or together', async () => {
    const project = await aProject();
    const archived = await change(project, { name: 'Gemini', archived: true });
    expect(archived).toEqual({
      ...project,
      name: 'Gemini',
      archivedAt: expect.any(String),
      updatedAt: expect.any(String),
    });
    expect(Date.parse(archived.updatedAt)).toBeGreaterThan(Date.parse(project.updatedAt));
    const renamed = await change(project, { name: 'Mercury' });
    expect(renamed).toEqual({ ...archived, name: 'Mercury', updatedAt: expect.any(String) });
    const restored = await change(project, { archived: false });
    expect(restored).toEqual({ ...renamed, archivedAt: null, updatedAt: expect.any(String) });
    expect((await ask(ours, 'GET', pathOf(project))).body).toEqual(restored);
  });

  it('stays as it is where nothing changes', async () => {
    const project = await aProject();
    for (const changes of [{}, { name: project.name }, { archived: false }])
      expect(await change(project, changes)).toEqual(project);
  });

  it('that is archived again keeps the first time, also when many do it at once', async () => {
    const project = await aProject();
    const answers = await Promise.all(Array.from({ length: 20 }, () => change(project, { archived: true })));
    const { archivedAt } = await change(project, { archived: true });
    expect(new Set(answers.map((answer) => answer.archivedAt))).toEqual(new Set([archivedAt]));
  });

  it('is deleted once, however many do it at once', async () => {
    const project = await aProject();
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(ours, 'DELETE', pathOf(project))));
    const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
    expect(statuses).toEqual([204, ...Array.from({ length: 9 }, () => 404)]);
    expect(answers.find(({ status }) => status === 204)?.body).toEqual({ text: '' });
    expect(await rowOf(project)).toBeUndefined();
    expect((await ask(ours, 'GET', pathOf(project))).status).toBe(404);
  });

  it('is changed or not found while somebody deletes it', async () => {
    const project = await aProject();
    const answers = await Promise.all(
      ['PATCH', 'PATCH', 'DELETE', 'PATCH', 'GET', 'PATCH'].map((method) =>
        ask(ours, method, pathOf(project), method === 'PATCH' ? { name: 'late' } : undefined),
      ),
    );
    for (const { status } of answers) expect([200, 204, 404]).toContain(status);
    expect(await rowOf(project)).toBeUndefined();
  });
});

describe('the input of projects', () => {
  type Case = [what: string, body: object | string, pointer: string];
  const EVERYWHERE: Case[] = [
    ['an empty name', { name: '' }, '/name'],
    ['a blank name', { name: ' \t\n ' }, '/name'],
    ['a long name', { name: 'x'.repeat(201) }, '/name'],
    ['a long name of four-byte characters', { name: '\u{1F680}'.repeat(201) }, '/name'],
    ['U+0000 in the name', { name: 'a\0b' }, '/name'],
    ['half a surrogate pair in the name', { name: 'a\ud800' }, '/name'],
    ['the other half', { name: '\udc00' }, '/name'],
    ['null for a name', { name: null }, '/name'],
    ['a number for a name', { name: 7 }, '/name'],
    ['a list for a name', { name: ['x'] }, '/name'],
    ['a tenant', { name: 'x', tenantId: randomUUID() }, '/tenantId'],
    ['an id', { name: 'x', id: randomUUID() }, '/id'],
    ['a time of archival', { name: 'x', archivedAt: null }, '/archivedAt'],
    ['a list', [], ''],
    ['null', 'null', ''],
    ['a text', '"x"', ''],
  ];

  /** The body as it is, of JSON. */
  const send = (method: string, path: string, body: object | string) =>
    app.as(ours(), path, { method, body, headers: { 'content-type': 'application/json' } });

  it.each<Case>([
    ...EVERYWHERE,
    ['nothing in it', {}, '/name'],
    ['what only a change has', { name: 'x', archived: true }, '/archived'],
  ])('is refused for a new one with %s', async (_, body, pointer) => {
    const before = await listed(ours, 'limit=1');
    const { status, body: problem } = await send('POST', PROJECTS, body);
    expect([status, problem.code]).toEqual([400, 'invalid_input']);
    expect(problem.errors).toEqual([{ pointer, detail: expect.any(String) }]);
    expect(await listed(ours, 'limit=1')).toEqual(before);
  });

  it.each<Case>([
    ...EVERYWHERE,
    ['a text for archived', { archived: 'true' }, '/archived'],
    ['null for archived', { archived: null }, '/archived'],
  ])('is refused for a change with %s', async (_, body, pointer) => {
    const project = await aProject();
    const { status, body: problem } = await send('PATCH', pathOf(project), body);
    expect([status, problem.code]).toEqual([400, 'invalid_input']);
    expect(problem.errors).toEqual([{ pointer, detail: expect.any(String) }]);
    expect((await ask(ours, 'GET', pathOf(project))).body).toEqual(project);
  });

  it.each(UNSEEMLY_NAMES)('is refused with %s in the name', async (_what, name) => {
    const project = await aProject();
    for (const [method, path] of [
      ['POST', PROJECTS],
      ['PATCH', pathOf(project)],
    ] as const) {
      const { status, body } = await send(method, path, { name });
      expect([status, body.errors]).toEqual([400, [{ pointer: '/name', detail: expect.any(String) }]]);
    }
  });

  it.each(SEEMLY_NAMES)('is taken with %s in the name', async (_what, name) => {
    const { status, body } = await send('POST', PROJECTS, { name });
    expect([status, body.name]).toEqual([201, name]);
  });

  it('is refused where there is no body', async () => {
    const project = await aProject();
    for (const [method, path] of [
      ['POST', PROJECTS],
      ['PATCH', pathOf(project)],
    ] as const)
      expect((await ask(ours, method, path)).body).toMatchObject({ code: 'invalid_input', status: 400 });
  });

  it.each([
    ['archived=1', 'invalid_input'],
    ['archived=', 'invalid_input'],
    ['archived=TRUE', 'invalid_input'],
    ['archived=true&archived=false', 'invalid_input'],
    ['name=x', 'invalid_input'],
    ['limit=0', 'invalid_input'],
    ['limit=101', 'invalid_input'],
    ['cursor=x', 'invalid_cursor'],
  ])('is refused for a list: ?%s', async (query, code) => {
    const { status, body } = await ask(ours, 'GET', `${PROJECTS}?${query}`);
    expect([status, body.code]).toEqual([400, code]);
  });

  it('of any form at all is taken or refused, without a failure of ours', async () => {
    const project = await aProject();
    const name = fc.oneof(fc.string({ unit: 'binary', maxLength: 210 }), fc.jsonValue());
    const body = fc.oneof(fc.jsonValue(), fc.record({ name, archived: fc.oneof(fc.boolean(), fc.jsonValue()) }));
    await fc.assert(
      fc.asyncProperty(body, fc.boolean(), async (given, isNew) => {
        const [method, path] = isNew ? (['POST', PROJECTS] as const) : (['PATCH', pathOf(project)] as const);
        const { status } = await send(method, path, JSON.stringify(given));
        expect([200, 201, 400]).toContain(status);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the routes of projects', () => {
  const ROUTES = [
    { method: 'GET', of: 'all', done: 200 },
    { method: 'POST', of: 'all', body: { name: 'x' }, done: 201, writes: true },
    { method: 'GET', of: 'one', done: 200 },
    { method: 'PATCH', of: 'one', body: { name: 'x' }, done: 200, writes: true },
    { method: 'DELETE', of: 'one', done: 204, writes: true },
  ];

  it.each(ROUTES)('$method of $of is closed without a tenant', async ({ method, of, body }) => {
    const project = await aProject();
    const answer = await ask(nobody, method, of === 'all' ? PROJECTS : pathOf(project), body);
    expect([answer.status, answer.body.code]).toEqual([403, 'tenant_required']);
    expect(await rowOf(project)).toMatchObject({ name: project.name });
  });

  it.each(ROUTES)(
    '$method of $of needs the permission to write, or does not',
    async ({ method, of, writes, ...route }) => {
      const project = await aProject();
      const path = of === 'all' ? PROJECTS : pathOf(project);
      const { status, body } = await ask(member, method, path, route.body);
      expect([status, body.code]).toEqual(writes ? [403, 'permission_required'] : [route.done, undefined]);
      expect(await rowOf(project)).toMatchObject({ name: project.name });
      expect((await ask(ours, method, path, route.body)).status).toBe(route.done);
    },
  );

  it.each(ROUTES)(
    '$method of $of takes an API key of the tenant with its scope alone',
    async ({ method, of, writes, ...route }) => {
      const project = await aProject();
      const path = of === 'all' ? PROJECTS : pathOf(project);
      const scope = writes ? 'projects:write' : 'projects:read';
      const other = writes ? 'projects:read' : 'projects:write';
      const [good, bad] = [scope, other].map((one) => clerk.anApiKey({ subject: acme.id, scopes: [one] }).secret);
      const { status, body } = await app.as(bad ?? '', path, { method, body: route.body });
      expect([status, body.code, body.detail]).toEqual([403, 'scope_required', expect.stringContaining(scope)]);
      expect(await rowOf(project)).toMatchObject({ name: project.name });
      expect((await app.as(good ?? '', path, { method, body: route.body })).status).toBe(route.done);
    },
  );

  it('tell who may not write neither what is wrong with the input nor what is there', async () => {
    for (const [method, path, body] of [
      ['POST', PROJECTS, { nonsense: 1 }],
      ['PATCH', `${PROJECTS}/${randomUUID()}`, { nonsense: 1 }],
      ['DELETE', `${PROJECTS}/x`, undefined],
    ] as const)
      expect((await ask(member, method, path, body)).body.code).toBe('permission_required');
  });
});

describe('a project of another tenant', () => {
  /** Status, headers and bytes of an answer, less what names the request. */
  async function answerTo(method: string, id: string, body?: object): Promise<unknown> {
    const response = await fetch(`${app.url}${PROJECTS}/${id}`, {
      method,
      body: JSON.stringify(body),
      headers: { authorization: `Bearer ${ours()}`, 'content-type': 'application/json', 'x-request-id': 'the-same' },
    });
    const { date, 'keep-alive': _, 'content-length': length, ...headers } = Object.fromEntries(response.headers);
    const bytes = await response.text();
    expect(bytes).toContain(`"instance":"${PROJECTS}/${id}"`);
    expect(Number(length)).toBe(Buffer.byteLength(bytes));
    return [response.status, headers, bytes.replace(`${PROJECTS}/${id}`, '')];
  }

  it.each([
    ['GET', undefined],
    ['PATCH', { name: 'ours now', archived: true }],
    ['DELETE', undefined],
  ])('is to %s as one that never was, to the byte', async (method, body) => {
    const foreign = await aProject({ by: theirs });
    const own = await aProject();
    const row = await rowOf(foreign);
    const answer = await answerTo(method, randomUUID(), body);
    expect(answer).toMatchObject([
      404,
      { 'content-type': expect.stringContaining('problem+json') },
      expect.any(String),
    ]);
    for (const id of [
      foreign.id,
      foreign.id.toUpperCase(),
      'x',
      `${own.id}x`,
      `{${own.id}}`.replaceAll(/[{}]/g, encodeURIComponent),
      own.id.replaceAll('-', ''),
      '%00',
      '%F0%9F%9A%80',
      "'%20or%20''='",
    ])
      expect([id, await answerTo(method, id, body)]).toEqual([id, answer]);
    expect(await rowOf(foreign)).toEqual(row);
    expect(await rowOf(own)).toMatchObject({ name: own.name });
  });

  it('is in no list, whatever the cursor', async () => {
    const [foreign, own] = [await aProject({ by: theirs }), await aProject()];
    await aProject();
    const { nextCursor } = await pageOf(ours, 'limit=1');
    for (const query of ['limit=100', 'limit=100&archived=true', `limit=100&archived=true&cursor=${nextCursor}`]) {
      expect(await listed(ours, query)).not.toContain(foreign.id);
      expect(await listed(theirs, query)).not.toContain(own.id);
    }
    expect(await listed(ours, `cursor=${nextCursor}`)).toContain(own.id);
    expect(await listed(theirs, `cursor=${nextCursor}`)).toContain(foreign.id);
  });
});

describe('the list of projects', () => {
  let own: Caller;

  beforeAll(() => {
    own = anAdmin(clerk).token;
  });

  it('is empty at first', async () => {
    expect((await ask(own, 'GET', PROJECTS)).body).toEqual({ data: [], nextCursor: null });
  });

  it('has the newest first, and archived ones only when asked for', async () => {
    const made: Project[] = [];
    for (const name of ['first', 'second', 'third']) made.push(await aProject({ name, by: own }));
    const [first, second, third] = made as [Project, Project, Project];
    expect((await ask(own, 'GET', PROJECTS)).body).toEqual({ data: [third, second, first], nextCursor: null });
    const { body: archived } = await ask(own, 'PATCH', pathOf(second), { archived: true });
    expect(await listed(own, '')).toEqual([third.id, first.id]);
    expect(await listed(own, 'archived=false')).toEqual([third.id, first.id]);
    expect((await ask(own, 'GET', `${PROJECTS}?archived=true`)).body.data).toEqual([third, archived, first]);
    await ask(own, 'PATCH', pathOf(second), { archived: false });
    expect(await listed(own, '')).toEqual([third.id, second.id, first.id]);
  });

  it.each([1, 7])('is walked by pages of %i, each once, while others are added', async (limit) => {
    const walker = anAdmin(clerk).token;
    const ids: string[] = [];
    for (let i = 0; i < 20; i++) ids.unshift((await aProject({ by: walker })).id);
    const walked: string[] = [];
    for (let query = ''; ; ) {
      const adding = Promise.all([aProject({ by: walker }), aProject({ by: walker })]);
      const { data, nextCursor } = await pageOf(walker, `limit=${limit}${query}`);
      walked.push(...data.map(({ id }) => id));
      await adding;
      if (nextCursor === null) break;
      query = `&cursor=${nextCursor}`;
    }
    expect(new Set(walked).size).toBe(walked.length);
    expect(walked.filter((id) => ids.includes(id))).toEqual(ids);
    expect(walked.length - ids.length).toBeLessThanOrEqual(2);
  });
});
