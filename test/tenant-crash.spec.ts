import { beforeAll, describe, expect, it } from '@jest/globals';
import { environmentOf } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { ClerkProxy } from './support/clerk-proxy.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { DatabaseProxy } from './support/proxy.ts';
import { ServerProcess } from './support/server.ts';
import { anAdmin, type Member, rowsOf } from './support/tenants.ts';

const MAX_MS = 150_000;

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A built server between two networks that can be held up. */
interface House {
  server: ServerProcess;
  database: TestDatabase;
  toClerk: ClerkProxy;
  toDatabase: DatabaseProxy;
  env: Record<string, string>;
}

async function aHouse(): Promise<House> {
  const database = await createDatabase();
  const [toClerk, toDatabase] = [await ClerkProxy.start(clerk.origin), await DatabaseProxy.start(database.url)];
  const env = { ...environmentOf(clerk, database), CLERK_API_URL: toClerk.url };
  const server = await ServerProcess.start({ ...env, DATABASE_URL: toDatabase.url, DATABASE_LISTEN_URL: database.url });
  return { server, database, toClerk, toDatabase, env };
}

/** Where the server is when it is killed: Clerk has done it already, and nothing is committed here. */
const windows = {
  'before it has Clerk’s answer': ({ toClerk }: House) => {
    let holds = false;
    toClerk.meddle = ({ method }) => {
      if (method !== 'POST') return undefined;
      holds = true;
      return new Promise(() => undefined);
    };
    return async () => holds;
  },
  'with Clerk’s answer, in the transaction': ({ toClerk, toDatabase, database }: House) => {
    toClerk.meddle = ({ method }) => (method === 'POST' ? toDatabase.holdAnswersWith('INSERT 0 1') : undefined);
    return async () => {
      const written = await database.query(
        `select from pg_locks join pg_stat_activity using (pid)
         where relation in ('tenants'::regclass, 'invitations'::regclass) and mode = 'RowExclusiveLock'
         and state = 'idle in transaction' and backend_xid is not null`,
      );
      return toDatabase.holds && written.length > 0;
    };
  },
};

/** Sends the request, kills the server in that window, and gives what Clerk has to tell. */
async function killIn(house: House, window: keyof typeof windows, request: () => Promise<unknown>): Promise<string[]> {
  const isThere = windows[window](house);
  // nobody hears it yet: the server that Clerk knows is gone
  clerk.events.url = 'http://127.0.0.1:9/nobody';
  const known = clerk.events.list().length;
  const failing = request().then(
    () => 'answered',
    () => 'broken off',
  );
  while (!(await isThere())) await pause(5);
  expect(await house.server.stop('SIGKILL')).toBe('SIGKILL');
  expect(await failing).toBe('broken off');
  await noConnections(house.database);
  const told = clerk.events.list().toReversed().slice(known);
  return told.map(({ id }) => id);
}

async function noConnections(database: TestDatabase): Promise<void> {
  for (;;) {
    const open = await database.query(
      "select from pg_stat_activity where datname = current_database() and usename <> current_user and backend_type = 'client backend'",
    );
    if (open.length === 0) return;
    await pause(20);
  }
}

/** Another server starts, and Clerk, which tries again for long, reaches it. */
async function tellLater({ env }: House, events: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start({ ...env, CLERK_API_URL: clerk.origin });
  clerk.deliverEventsTo(server.url);
  for (const id of events) clerk.events.replay(id);
  const states = () => clerk.events.list().filter(({ id }) => events.includes(id));
  while (!states().every(({ state }) => state === 'delivered')) await pause(20);
  return server;
}

const asPost = (server: ServerProcess, token: string, path: string, body: object) =>
  server.call(path, { method: 'POST', body, headers: { authorization: `Bearer ${token}` } });

describe.each(Object.keys(windows) as (keyof typeof windows)[])('a server that is killed %s', (window) => {
  it(
    'leaves no half of a tenant, and the events bring in what Clerk has made',
    async () => {
      const house = await aHouse();
      const user = clerk.aUser();
      expect((await house.server.as(clerk.aToken({ sub: user.id }), '/v1/me')).status).toBe(200);
      const token = clerk.aToken({ sub: user.id });
      const events = await killIn(house, window, () => asPost(house.server, token, '/v1/tenants', { name: 'Globex' }));
      const made = [...clerk.organizations.book.organizations.all()].find(({ created_by: by }) => by === user.id);
      const organization = { id: made?.id ?? '' };
      expect(made).toMatchObject({ name: 'Globex' });
      expect(await rowsOf(house.database, organization)).toEqual({ tenants: [], memberships: [], invitations: [] });
      expect(await house.database.query('select from tenants')).toEqual([]);
      const server = await tellLater(house, events);
      expect(await rowsOf(house.database, organization)).toMatchObject({
        tenants: [{ name: 'Globex', created_by: user.id }],
        memberships: [{ role: 'org:admin', ended_at: null, clerk_id: expect.stringMatching(/^orgmem_/) }],
      });
      const owner = clerk.aTokenIn(organization, user);
      const { status, body } = await server.as(owner, '/v1/tenant');
      expect([status, body.clerkId]).toEqual([200, organization.id]);
      await server.stop();
    },
    MAX_MS,
  );

  it(
    'leaves no half of an invitation, and the event brings in what Clerk has sent',
    async () => {
      const house = await aHouse();
      const ours: Member = anAdmin(clerk);
      expect((await house.server.as(ours.token(), '/v1/me')).status).toBe(200);
      const before = await rowsOf(house.database, ours.organization);
      const token = ours.token();
      const email = 'grace@example.com';
      const events = await killIn(house, window, () =>
        asPost(house.server, token, '/v1/tenant/invitations', { email }),
      );
      const sent = [...clerk.organizations.book.invitationsOf(ours.organization.id).all()];
      expect(sent).toMatchObject([{ email_address: email, status: 'pending' }]);
      expect(await rowsOf(house.database, ours.organization)).toEqual(before);
      const server = await tellLater(house, events);
      const { tenants, memberships, invitations } = await rowsOf(house.database, ours.organization);
      expect({ tenants, memberships }).toEqual({ tenants: before.tenants, memberships: before.memberships });
      expect(invitations).toMatchObject([{ clerk_id: sent[0]?.id, email, status: 'pending', role: 'org:member' }]);
      const { body } = await server.as(ours.token(), '/v1/tenant/invitations');
      expect(body.data).toMatchObject([{ email, status: 'pending' }]);
      await server.stop();
    },
    MAX_MS,
  );
});
