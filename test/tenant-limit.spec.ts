import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { environmentOf } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { ClerkProxy } from './support/clerk-proxy.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import type { Answer } from './support/http.ts';
import { ServerProcess } from './support/server.ts';
import { until } from './support/until.ts';

/** As long Clerk takes for an answer: longer than it takes to count. */
const CLERK_MS = 70;
/** Long enough to see that a server asks nothing of Clerk. */
const WAITING_MS = 300;

let clerk: TestClerk;
let proxy: ClerkProxy;
let database: TestDatabase;
let servers: [ServerProcess, ServerProcess];

beforeAll(async () => {
  clerk = await TestClerk.start();
  proxy = await ClerkProxy.start(clerk.origin);
  database = await createDatabase();
  const env = { ...environmentOf(clerk, database), CLERK_API_URL: proxy.url };
  servers = [await ServerProcess.start(env), await ServerProcess.start(env)];
});
beforeEach(() => {
  proxy.pass();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** Transactions that wait for their next statement. */
const OPEN = "select from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'";
const intents = () => database.query('select from tenant_intents');

function create(server: ServerProcess, { id }: { id: string }): Promise<Answer> {
  const headers = { authorization: `Bearer ${clerk.aToken({ sub: id })}` };
  return server.call('/v1/tenants', { method: 'POST', headers, body: { name: 'x' } });
}

/** A user whom Clerk lets make so many, and whom both servers know. */
async function aUser(limit: number) {
  const user = clerk.aUser({ create_organizations_limit: limit } as object);
  for (const server of servers) expect((await server.as(clerk.aToken({ sub: user.id }), '/v1/me')).status).toBe(200);
  return user;
}

const madeBy = ({ id }: { id: string }) =>
  [...clerk.organizations.book.organizations.all()].filter(({ created_by: by }) => by === id);

const statusesOf = (answers: Answer[]) => answers.map(({ status }) => status).toSorted((a, b) => a - b);

/** Clerk's answer to the first such call is held for ever. */
function holdAnswerTo(isHeld: (call: { method: string; path: string }) => boolean) {
  let holds = false;
  proxy.meddle = (call) => {
    if (holds || !isHeld(call)) return undefined;
    holds = true;
    return new Promise(() => undefined);
  };
  return () => holds;
}

describe('the limit of tenants that a user may make', () => {
  it.each([
    [1, 2],
    [1, 6],
    [2, 6],
  ])('of %i is kept by two processes that are asked %i times at once', async (limit, times) => {
    proxy.meddle = () => pause(CLERK_MS);
    const users = await Promise.all(Array.from({ length: 3 }, () => aUser(limit)));
    await Promise.all(
      users.map(async (user) => {
        const making = Array.from({ length: times }, (_, i) => create(servers[i % 2] as ServerProcess, user));
        const expected = Array.from({ length: times }, (_each, i) => (i < limit ? 201 : 403));
        expect(statusesOf(await Promise.all(making))).toEqual(expected);
        expect(madeBy(user)).toHaveLength(limit);
      }),
    );
    expect(await intents()).toEqual([]);
  });

  it('lets a user try again at once where Clerk has refused a tenant', async () => {
    const user = await aUser(1);
    proxy.instead = ({ method }) =>
      method === 'POST'
        ? { status: 422, body: { errors: [{ code: 'form_param_format_invalid', message: '' }] } }
        : undefined;
    expect((await create(servers[0], user)).status).toBe(409);
    proxy.pass();
    expect((await create(servers[1], user)).status).toBe(201);
  });

  it('lets a user try again at once where Clerk did not say what the user may', async () => {
    const user = await aUser(1);
    proxy.instead = ({ path }) => (path.startsWith('/v1/users/') ? { status: 500, body: {} } : undefined);
    expect((await create(servers[0], user)).status).toBe(503);
    proxy.pass();
    expect((await create(servers[1], user)).status).toBe(201);
  });

  it('counts what Clerk may have made although its answer was lost, until its event is due', async () => {
    const user = await aUser(1);
    holdAnswerTo(({ method }) => method === 'POST');
    expect((await create(servers[0], user)).status).toBe(503);
    expect(madeBy(user)).toHaveLength(1);
    expect(await intents()).toHaveLength(1);
    const waiting = create(servers[1], user);
    const [organization] = madeBy(user);
    const event = clerk.anEvent('organization.created', clerk.organizations.get(organization?.id ?? ''));
    expect((await clerk.deliver(servers[0].url, event)).status).toBe(204);
    await database.query('update tenant_intents set lapses_at = now()');
    expect((await waiting).status).toBe(403);
    expect(madeBy(user)).toHaveLength(1);
  });

  it('is not in the way for ever after a process that was killed', async () => {
    const user = await aUser(1);
    const killed = await ServerProcess.start({ ...environmentOf(clerk, database), CLERK_API_URL: proxy.url });
    const isHeld = holdAnswerTo(({ path }) => path.startsWith('/v1/users/'));
    const broken = create(killed, user).then(
      () => 'answered',
      () => 'broken off',
    );
    await until(async () => isHeld());
    // nothing is held in the database meanwhile
    await until(async () => (await database.query(OPEN)).length === 0);
    await killed.stop('SIGKILL');
    expect(await broken).toBe('broken off');
    const asked = proxy.count('GET', `/v1/users/${user.id}`);
    let answered: number | undefined;
    const waiting = create(servers[0], user).then(({ status }) => {
      answered = status;
      return status;
    });
    await pause(WAITING_MS);
    expect([answered, proxy.count('GET', `/v1/users/${user.id}`), madeBy(user)]).toEqual([undefined, asked, []]);
    await database.query('update tenant_intents set lapses_at = now()');
    expect(await waiting).toBe(201);
    expect(await intents()).toEqual([]);
  });
});
