import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  EntityManager,
  RowLevelSecurityViolationException,
  UniqueConstraintViolationException,
} from '@mikro-orm/postgresql';
import { Controller, Get, Module, Param, Post, type Type } from '@nestjs/common';
import fc from 'fast-check';
import { ormOptions, ownerOptions } from '../mikro-orm.config.ts';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { readSettings } from '../src/config/index.ts';
import { asTenant, DatabaseModule, transaction } from '../src/database/index.ts';
import { Problem } from '../src/http/index.ts';
import { Project } from '../src/projects/project.entity.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

const TENANTS = 50;
const REQUESTS = 5000;
/** More would wait longer for a connection than they may where the machine is busy. */
const AT_ONCE = 12;
const CONNECTIONS = 2;
/** Of who goes away: about what an answer takes. */
const PATIENCE_MS = 200;
const SEED = 20261124;

const ALL = 'select name from projects';

/** What features do wrong, or in their own way: past the filter, against a key, against the policy, in another's name. */
@Controller('feature')
class FeatureController {
  constructor(private readonly em: EntityManager) {}

  @Get('unfiltered')
  async unfiltered() {
    return { data: await this.em.find(Project, {}, { filters: false }) };
  }

  @Get('sql')
  async sql() {
    return transaction(this.em, async (em) => ({ data: await em.execute(ALL) }));
  }

  @Post('twice')
  async twice() {
    return this.#refused(async (em) => {
      const id = randomUUID();
      for (let i = 0; i < 2; i++) await em.execute("insert into projects (id, name) values (?, 'undone')", [id]);
    });
  }

  @Post('smuggle/:tenantId')
  async smuggle(@Param('tenantId') tenantId: string) {
    return this.#refused((em) =>
      em.execute("insert into projects (id, tenant_id, name) values (?, ?, 'undone')", [randomUUID(), tenantId]),
    );
  }

  /** Work in the name of another tenant fails half-way; what follows is the caller's again. */
  @Post('visit/:tenantId')
  async visit(@Param('tenantId') tenantId: string) {
    return transaction(this.em, async (em) => {
      await asTenant(em, tenantId, async (other) => {
        await other.execute(ALL);
        throw new Error('half-way');
      }).catch(() => undefined);
      return { data: await em.execute(ALL) };
    });
  }

  async #refused(work: (em: EntityManager) => Promise<unknown>): Promise<unknown> {
    try {
      return await transaction(this.em, work);
    } catch (cause) {
      if (cause instanceof UniqueConstraintViolationException || cause instanceof RowLevelSecurityViolationException)
        throw new Problem('conflict', { cause });
      throw cause;
    }
  }
}

function moduleOf(env: Record<string, string>): Type {
  const settings = readSettings(env);
  const { databaseUrl, databaseOwnerUrl } = settings;
  const runtime = { ...ormOptions(databaseUrl), pool: { min: 0, max: CONNECTIONS } };
  const small = DatabaseModule.with(runtime, ownerOptions(databaseOwnerUrl));
  const imports = modulesOf(settings).map((one) => ('module' in one && one.module === DatabaseModule ? small : one));
  @Module({ imports, providers: requestChain, controllers: [FeatureController] })
  class TestModule {}
  return TestModule;
}

interface Tenant {
  /** Every name of a project of it begins with that. */
  mark: string;
  tenantId: string;
  admin: string;
  member: string;
  /** Of projects that were made. */
  ids: string[];
}

interface Ask {
  method?: string;
  path: string;
  token?: string;
  body?: object;
  /** The statuses that are right. */
  right: number[];
}

type Kind = (own: Tenant, other: Tenant, pick: number) => Ask;

const name = ({ mark }: Tenant, pick: number) => ({ name: `${mark} ${pick}` });
/** One of the latest, which may be deleted by now. */
const one = ({ ids }: Tenant, pick: number) => `/v1/projects/${ids.at(-1 - (pick % 4))}`;

const KINDS: Record<string, Kind> = {
  list: (_, __, pick) => ({ path: `/v1/projects?limit=${1 + (pick % 100)}`, right: [200] }),
  listAll: () => ({ path: '/v1/projects?limit=100&archived=true', right: [200] }),
  unfiltered: () => ({ path: '/feature/unfiltered', right: [200] }),
  sql: () => ({ path: '/feature/sql', right: [200] }),
  visit: (_, { tenantId }) => ({ method: 'POST', path: `/feature/visit/${tenantId}`, right: [201] }),
  show: (own, _, pick) => ({ path: one(own, pick), right: [200, 404] }),
  create: (own, _, pick) => ({ method: 'POST', path: '/v1/projects', body: name(own, pick), right: [201] }),
  rename: (own, _, pick) => ({ method: 'PATCH', path: one(own, pick), body: name(own, pick), right: [200, 404] }),
  archive: (own, _, pick) => ({
    method: 'PATCH',
    path: one(own, pick),
    body: { archived: pick % 2 === 0 },
    right: [200, 404],
  }),
  delete: (own, _, pick) => ({ method: 'DELETE', path: one(own, pick), right: [204, 404] }),
  showForeign: (_, other, pick) => ({ path: one(other, pick), right: [404] }),
  renameForeign: (own, other, pick) => ({
    method: 'PATCH',
    path: one(other, pick),
    body: name(own, pick),
    right: [404],
  }),
  deleteForeign: (_, other, pick) => ({ method: 'DELETE', path: one(other, pick), right: [404] }),
  badBody: () => ({ method: 'POST', path: '/v1/projects', body: { nonsense: 'x' }, right: [400] }),
  badCursor: () => ({ path: '/v1/projects?cursor=x', right: [400] }),
  badToken: () => ({ path: '/v1/projects', token: 'x', right: [401] }),
  mayNot: (own, _, pick) => ({
    method: 'POST',
    path: '/v1/projects',
    body: name(own, pick),
    token: own.member,
    right: [403],
  }),
  twice: () => ({ method: 'POST', path: '/feature/twice', right: [409] }),
  smuggle: (_, { tenantId }) => ({ method: 'POST', path: `/feature/smuggle/${tenantId}`, right: [409] }),
};

const plans = fc.record({
  kind: fc.constantFrom(...Object.keys(KINDS), 'create', 'create'),
  own: fc.nat(TENANTS - 1),
  /** How far the other tenant is from the own. */
  step: fc.integer({ min: 1, max: TENANTS - 1 }),
  pick: fc.nat(),
  /** When the client goes away; null: it stays. */
  leavesAfterMs: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, fc.integer({ min: 0, max: PATIENCE_MS })),
  /** One that goes away may not have sent all of its body. */
  isCutShort: fc.boolean(),
});
type Plan = typeof plans extends fc.Arbitrary<infer Value> ? Value : never;

interface Row {
  /** Not in rows of SQL. */
  id?: string;
  name: string;
}

interface Heard {
  status: number;
  rows: Row[];
}

/** The status of what was answered rightly, or that the client left before, or what was wrong. */
type Outcome = number | 'left' | object;

let clerk: TestClerk;
let app: TestApp;
let tenants: Tenant[];

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk, {}, undefined, moduleOf);
  tenants = await Promise.all(Array.from({ length: TENANTS }, aTenant));
});

async function aTenant(): Promise<Tenant> {
  const organization = clerk.anOrganization();
  const [admin, member] = (['org:admin', 'org:member'] as const).map((role) => {
    const user = clerk.aUser();
    clerk.aMembership(organization, user, role);
    return clerk.aTokenIn(organization, user, { exp: Math.floor(Date.now() / 1000) + 600 });
  }) as [string, string];
  const { body } = await app.as(admin, '/v1/me');
  const { id } = body.tenant as { id: string };
  const tenant: Tenant = { mark: organization.id, tenantId: id, admin, member, ids: [] };
  for (let i = 0; i < 3; i++)
    await send(tenant, { method: 'POST', path: '/v1/projects', body: name(tenant, i), right: [] });
  return tenant;
}

/** What was heard. Throws where the client goes away before. */
async function send(
  own: Tenant,
  { method = 'GET', path, token = own.admin, body }: Ask,
  { leavesAfterMs = null, isCutShort = false }: Partial<Plan> = {},
): Promise<Heard> {
  const bytes = body ? Buffer.from(JSON.stringify(body)) : Buffer.alloc(0);
  const sent = request(`${app.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': bytes.length },
    ...(leavesAfterMs !== null && { signal: AbortSignal.timeout(leavesAfterMs) }),
  });
  if (leavesAfterMs !== null && isCutShort && body) sent.write(bytes.subarray(0, bytes.length / 2));
  else sent.end(bytes);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const answer = JSON.parse((await text(response)) || '{}') as Partial<Row> & { data?: Row[] };
  const rows = answer.data ?? (answer.name === undefined ? [] : [answer as Row]);
  if (response.statusCode === 201) own.ids.push(...rows.flatMap(({ id }) => id ?? []));
  return { status: response.statusCode ?? 0, rows };
}

/** Sends them all, so many at once, and tells what came of each. */
async function sendAll(all: Plan[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = all.values();
  const take = async () => {
    for (const plan of waiting) outcomes.push(await outcomeOf(plan));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, take));
  return outcomes;
}

async function outcomeOf(plan: Plan): Promise<Outcome> {
  const { own, other } = partiesOf(plan);
  const ask = (KINDS[plan.kind] as Kind)(own, other, plan.pick);
  try {
    const { status, rows } = await send(own, ask, plan);
    const foreign = rows.filter((row) => !isOf(own, row));
    return ask.right.includes(status) && foreign.length === 0 ? status : { ...plan, status, foreign };
  } catch (error) {
    if (plan.leavesAfterMs === null || !isGone(error)) throw error;
    return 'left';
  }
}

function partiesOf({ own, step }: Plan): { own: Tenant; other: Tenant } {
  return { own: tenants[own] as Tenant, other: tenants[(own + step) % TENANTS] as Tenant };
}

const isOf = ({ mark }: Tenant, row: { name: string }) => row.name.startsWith(`${mark} `);
/** No `instanceof`: what Node throws is of another realm than the test. */
const isGone = (error: unknown) => ['ABORT_ERR', 'ECONNRESET'].includes((error as NodeJS.ErrnoException).code ?? '');

describe(`${REQUESTS} requests of ${TENANTS} tenants over ${CONNECTIONS} connections, some wrong, some given up`, () => {
  let outcomes: Outcome[];

  beforeAll(async () => {
    outcomes = await sendAll(fc.sample(plans, { numRuns: REQUESTS, seed: SEED }));
  });

  it('are each answered as they should, with rows of their own tenant alone', () => {
    expect(outcomes).toHaveLength(REQUESTS);
    expect(outcomes.filter((outcome) => typeof outcome === 'object')).toEqual([]);
  });

  it.each([200, 201, 204, 400, 401, 403, 404, 409, 'left'])('come to %s in their dozens', (expected) => {
    expect(outcomes.filter((outcome) => outcome === expected).length).toBeGreaterThan(50);
  });

  it('leave each row with its tenant, and of what was refused none', async () => {
    const foreign = await app.database.query(
      "select p.name, clerk_id from projects p join tenants t on t.id = tenant_id where not starts_with(p.name, clerk_id || ' ')",
    );
    expect(foreign).toEqual([]);
  });

  it('leave a pool that works', async () => {
    for (const tenant of tenants) {
      const { status, rows } = await send(tenant, (KINDS.sql as Kind)(tenant, tenant, 0));
      const own = await app.database.query<Row>('select name from projects where tenant_id = $1', [tenant.tenantId]);
      expect([status, rows.map((row) => row.name).toSorted()]).toEqual([200, own.map((row) => row.name).toSorted()]);
    }
  });

  it('leave no transaction open', async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const open = await app.database.query(
      "select query from pg_stat_activity where datname = current_database() and xact_start < now() - interval '500 ms'",
    );
    expect(open).toEqual([]);
  });

  it('leave no connection that knows a tenant', async () => {
    const sql = `select pg_backend_pid() as pid, current_setting('app.tenant_id', true) as tenant,
      current_setting('app.user_id', true) as "user", pg_sleep(0.2)::text as slept`;
    const look = () =>
      app.orm.em.getConnection().execute<{ pid: number; tenant: string | null; user: string | null }[]>(sql);
    const seen = (await Promise.all(Array.from({ length: 2 * CONNECTIONS }, look))).flat();
    expect(new Set(seen.map(({ pid }) => pid)).size).toBe(CONNECTIONS);
    // null: one that is new
    for (const { tenant, user } of seen) expect([tenant || null, user || null]).toEqual([null, null]);
  });
});
