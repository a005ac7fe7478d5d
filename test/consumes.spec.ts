import { beforeAll, describe, expect, it } from '@jest/globals';
import { DeadlockException } from '@mikro-orm/core';
import { EntityManager } from '@mikro-orm/postgresql';
import { Body, Controller, Get, Post, SerializeOptions, type Type } from '@nestjs/common';
import { z } from 'zod';
import { requestChain } from '../src/app.module.ts';
import { Accepts } from '../src/auth/index.ts';
import { Consumes, ConsumptionInterceptor, type Payer } from '../src/billing/index.ts';
import { enterScope, transaction } from '../src/database/index.ts';
import { Public } from '../src/http/index.ts';
import { Project } from '../src/projects/project.entity.ts';
import type { TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import {
  aPayingTenant,
  aPayingUser,
  counted,
  isLocked,
  LIMIT,
  lapse,
  projectsOf,
  startWithBook,
  usageIn,
} from './support/usage.ts';

const NewReport = z.strictObject({ work: z.string().optional() });
const Report = SerializeOptions({ schema: z.object({ ok: z.boolean() }) });

type Work = (em: EntityManager) => Promise<unknown>;

const write: Work = (em) => transaction(em, async (own) => own.create(Project, { name: 'One', archivedAt: null }));
const fail = () => {
  throw new Error('it fails');
};

/** What the use case does, by the name that the request gives. */
const works: Record<string, Work> = {
  write,
  nothing: async () => undefined,
  read: (em) => transaction(em, (own) => own.find(Project, {})),
  twice: async (em) => {
    await write(em);
    await write(em);
  },
  together: (em) => Promise.all([write(em), write(em)]),
  'fail at once': fail,
  'fail after reading': async (em) => {
    await transaction(em, (own) => own.find(Project, {}));
    fail();
  },
  'fail in the transaction': (em) =>
    transaction(em, async (own) => {
      await own.persist(own.create(Project, { name: 'One', archivedAt: null })).flush();
      fail();
    }),
  'fail after a part of it': (em) =>
    transaction(em, async (own) => {
      await write(own);
      fail();
    }),
  'fail after it': async (em) => {
    await write(em);
    fail();
  },
  'in parts': (em) =>
    transaction(em, async (own) => {
      await write(own);
      await write(own);
    }),
  'after a failed one': async (em) => {
    const failing = transaction(em, async (own) => {
      await own.persist(own.create(Project, { name: 'One', archivedAt: null })).flush();
      fail();
    });
    await failing.catch(() => undefined);
    await write(em);
  },
  'at the third try': async (em) => {
    let tries = 0;
    await transaction(em, async (own) => {
      await own.persist(own.create(Project, { name: 'One', archivedAt: null })).flush();
      if (++tries < 3) throw new DeadlockException(new Error('deadlock'));
    });
  },
  'for nobody': (em) => {
    const own = em.fork();
    enterScope(own, { tenantId: null, userId: null });
    return transaction(own, (inside) => inside.execute("insert into changes (topic, key) values ('x', 'y')"));
  },
};

@Accepts('session_token', 'm2m_token')
@Controller('reports')
class ReportsController {
  constructor(private readonly em: EntityManager) {}

  @Post()
  @Consumes('reports.make')
  @Report
  async make(@Body({ schema: NewReport }) { work = 'write' }: z.output<typeof NewReport>) {
    await works[work]?.(this.em);
    return { ok: true };
  }

  @Consumes('mails.send')
  @Post('mails')
  @Report
  send() {
    return { ok: true };
  }

  @Post('pages')
  @Report
  @Consumes('pages.read')
  read() {
    return { ok: true };
  }
}

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startWithBook(clerk, { controllers: [ReportsController] });
});

const post = (token: string, body: object = {}, path = '/reports') => app.as(token, path, { method: 'POST', body });

const stateOf = async (payer: Payer) => ({
  ...(await counted(app.database, payer)),
  projects: await projectsOf(app.database, payer),
});

describe('a route that consumes', () => {
  it('counts one for each call, and says what is left', async () => {
    const { payer, token } = await aPayingTenant(clerk, app);
    const { status, headers } = await post(token());
    expect(status).toBe(201);
    expect(headers).toMatchObject({
      ratelimit: expect.stringMatching(/^"reports\.make";r=9;t=\d+$/),
      'ratelimit-policy': expect.stringMatching(/^"reports\.make";q=10;w=(2419200|2505600|2592000|2678400)$/),
    });
    expect(await stateOf(payer)).toEqual({ used: { 'reports.make': 1 }, reserved: 0, projects: 1 });
  });

  it('refuses what is beyond the limit, and does nothing', async () => {
    const { payer, token } = await aPayingTenant(clerk, app);
    await usageIn(app).consume(payer, 'reports.make', LIMIT);
    const { status, headers, body } = await post(token());
    expect(status).toBe(429);
    expect(body).toMatchObject({
      type: '/problems/quota_exceeded',
      title: 'Quota exceeded',
      status: 429,
      code: 'quota_exceeded',
      detail: `Of reports.make 0 of ${LIMIT} are left, which is not enough.`,
      meter: 'reports.make',
      limit: LIMIT,
      used: LIMIT,
      resetsAt: expect.stringMatching(/^\d{4}-\d\d-01T00:00:00\.000Z$/),
    });
    expect(headers).toMatchObject({
      'content-type': expect.stringContaining('application/problem+json'),
      'retry-after': expect.stringMatching(/^\d+$/),
      ratelimit: expect.stringMatching(/^"reports\.make";r=0;t=\d+$/),
      'ratelimit-policy': expect.stringMatching(/^"reports\.make";q=10;w=\d+$/),
    });
    expect(await stateOf(payer)).toEqual({ used: { 'reports.make': LIMIT }, reserved: 0, projects: 0 });
  });

  it('lets exactly as many pass as there are, however many call at once', async () => {
    const { payer, token } = await aPayingTenant(clerk, app);
    const answers = await Promise.all(Array.from({ length: 60 }, () => post(token())));
    const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
    expect(statuses).toEqual([...Array(LIMIT).fill(201), ...Array(60 - LIMIT).fill(429)]);
    expect(await stateOf(payer)).toEqual({ used: { 'reports.make': LIMIT }, reserved: 0, projects: LIMIT });
  });

  it('asks for the quota last: invalid input consumes nothing, also where nothing is left', async () => {
    const { payer, token } = await aPayingTenant(clerk, app);
    expect((await post(token(), { work: 1 })).body.code).toBe('invalid_input');
    expect(await stateOf(payer)).toEqual({ used: {}, reserved: 0, projects: 0 });
    await usageIn(app).consume(payer, 'reports.make', LIMIT);
    expect((await post(token(), { work: 1 })).body.code).toBe('invalid_input');
    expect((await app.call('/reports', { method: 'POST', body: {} })).status).toBe(401);
  });

  it('passes a soft limit, and tells', async () => {
    const { payer, token } = await aPayingTenant(clerk, app);
    await usageIn(app).consume(payer, 'mails.send', LIMIT);
    const { status, headers } = await post(token(), {}, '/reports/mails');
    expect([status, headers.ratelimit]).toEqual([201, expect.stringMatching(/^"mails\.send";r=0;t=\d+$/)]);
    expect((await counted(app.database, payer)).used).toEqual({ 'mails.send': LIMIT + 1 });
  });

  it('says nothing of limits where there is none, and counts', async () => {
    const { payer, token } = await aPayingTenant(clerk, app);
    const { status, headers } = await post(token(), {}, '/reports/pages');
    expect([status, headers.ratelimit, headers['ratelimit-policy']]).toEqual([201, undefined, undefined]);
    expect(await stateOf(payer)).toMatchObject({ used: { 'pages.read': 1 }, reserved: 0 });
  });

  it('counts for the user where no tenant is active', async () => {
    const { payer, token } = await aPayingUser(clerk, app);
    const answers = await Promise.all(Array.from({ length: 5 }, () => post(token(), { work: 'nothing' })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2);
    expect(await counted(app.database, payer)).toEqual({ used: { 'reports.make': 2 }, reserved: 0 });
  });

  it('asks a machine of nobody for a tenant', async () => {
    const { token } = clerk.anM2MToken();
    const { status, body } = await post(token, { work: 'nothing' });
    expect([status, body.code]).toEqual([403, 'tenant_required']);
  });

  it('does not take a key of the client’s for what was done', async () => {
    const { payer, token } = await aPayingTenant(clerk, app);
    const headers = { authorization: `Bearer ${token()}`, 'idempotency-key': 'order-1' };
    for (let i = 0; i < 3; i++) await app.call('/reports', { method: 'POST', body: {}, headers });
    expect(await stateOf(payer)).toEqual({ used: { 'reports.make': 3 }, reserved: 0, projects: 3 });
  });
});

describe('a use case that consumes', () => {
  it.each<[work: string, projects: number]>([
    ['write', 1],
    ['nothing', 0],
    ['read', 0],
    ['twice', 2],
    ['together', 2],
    ['in parts', 2],
    ['after a failed one', 1],
    ['at the third try', 1],
    ['for nobody', 0],
  ])('is counted once when it succeeds: %s', async (work, projects) => {
    const { payer, token } = await aPayingTenant(clerk, app);
    expect((await post(token(), { work })).status).toBe(201);
    expect(await stateOf(payer)).toEqual({ used: { 'reports.make': 1 }, reserved: 0, projects });
  });

  it.each<[work: string, projects: number]>([
    ['fail at once', 0],
    ['fail after reading', 0],
    ['fail in the transaction', 0],
    ['fail after a part of it', 0],
    ['fail after it', 1],
  ])('gives back when it does not: %s', async (work, projects) => {
    const { payer, token } = await aPayingTenant(clerk, app);
    await usageIn(app).consume(payer, 'reports.make', 5);
    const { status, headers, body } = await post(token(), { work });
    expect([status, body.code, headers.ratelimit]).toEqual([500, 'internal', undefined]);
    expect(await stateOf(payer)).toEqual({ used: { 'reports.make': 5 }, reserved: 0, projects });
  });

  it('counts while it runs, and is final with the first transaction of its payer’s that has written', async () => {
    const { payer, token } = await aPayingTenant(clerk, app);
    const seen: object[] = [];
    const look = async () => seen.push(await counted(app.database, payer));
    works.look = async (em) => {
      await look();
      await works.read?.(em);
      await look();
      await works['for nobody']?.(em);
      await look();
      await write(em);
      await look();
    };
    expect((await post(token(), { work: 'look' })).status).toBe(201);
    const used = { 'reports.make': 1 };
    expect(seen).toEqual([
      { used, reserved: 1 },
      { used, reserved: 1 },
      { used, reserved: 1 },
      { used, reserved: 0 },
    ]);
  });

  it('is final with the next transaction where a commit failed', async () => {
    const { payer, token } = await aPayingTenant(clerk, app);
    await app.database.query(
      `create table late_checks (n int unique deferrable initially deferred);
       grant select, insert on late_checks to gatehouse`,
    );
    const seen: object[] = [];
    works.late = async (em) => {
      const failing = transaction(em, (own) => own.execute('insert into late_checks values (1), (1)'));
      await expect(failing).rejects.toThrow(/late_checks/);
      seen.push(await counted(app.database, payer));
      await write(em);
      seen.push(await counted(app.database, payer));
    };
    expect((await post(token(), { work: 'late' })).status).toBe(201);
    const used = { 'reports.make': 1 };
    expect(seen).toEqual([
      { used, reserved: 1 },
      { used, reserved: 0 },
    ]);
  });

  it('whose reservation has lapsed is counted anew in its transaction', async () => {
    const { payer, token } = await aPayingTenant(clerk, app);
    works.slow = async (em) => {
      await lapse(app.database);
      expect(await usageIn(app).used(payer, 'reports.make')).toMatchObject({ used: 0 });
      await usageIn(app).consume(payer, 'reports.make', LIMIT - 1);
      expect(await counted(app.database, payer)).toEqual({ used: { 'reports.make': LIMIT - 1 }, reserved: 0 });
      await write(em);
    };
    expect((await post(token(), { work: 'slow' })).status).toBe(201);
    expect(await stateOf(payer)).toEqual({ used: { 'reports.make': LIMIT }, reserved: 0, projects: 1 });
  });

  it('whose reservation has lapsed and went to others is undone', async () => {
    const { payer, token } = await aPayingTenant(clerk, app);
    works.slow = async (em) => {
      await lapse(app.database);
      await usageIn(app).consume(payer, 'reports.make', LIMIT);
      await write(em);
    };
    const { status, body } = await post(token(), { work: 'slow' });
    expect([status, body.code, body.used]).toEqual([429, 'quota_exceeded', LIMIT]);
    expect(await stateOf(payer)).toEqual({ used: { 'reports.make': LIMIT }, reserved: 0, projects: 0 });
  });

  it('that wrote nothing, and took so long that others had what it reserved, is counted', async () => {
    const { payer, token } = await aPayingTenant(clerk, app);
    works.slow = async () => {
      await lapse(app.database);
      await usageIn(app).consume(payer, 'reports.make', LIMIT);
    };
    expect((await post(token(), { work: 'slow' })).status).toBe(201);
    expect(await stateOf(payer)).toEqual({ used: { 'reports.make': LIMIT + 1 }, reserved: 0, projects: 0 });
  });

  it('that is being made final has not lapsed, and nobody waits for it', async () => {
    const { payer } = await aPayingTenant(clerk, app);
    await reserve(payer, 3);
    await transaction(app.orm.em.fork(), async (em) => {
      expect(await em.execute(CONFIRM, [payer.id, payer.id])).toEqual([{ confirmed: true }]);
      // of another connection
      const [taken] = await app.orm.em.getDriver().execute<{ used: string }[]>(TAKE_ONE, [payer.id, payer.id]);
      expect(taken).toMatchObject({ used: '4' });
    });
    expect(await counted(app.database, payer)).toEqual({ used: { 'files.keep': 4 }, reserved: 0 });
  });

  it.each<[end: 'commits' | 'is undone', used: number]>([
    ['commits', 3],
    ['is undone', 0],
  ])('whose transaction may yet be under way is given back as that %s', async (end, used) => {
    const { payer } = await aPayingTenant(clerk, app);
    await reserve(payer, 3);
    let releasing: Promise<unknown> | undefined;
    const ending = transaction(app.orm.em.fork(), async (em) => {
      await em.execute(CONFIRM, [payer.id, payer.id]);
      releasing = app.database.query("select release_usage($1, 'tenant', $1)", [payer.id]);
      await isLocked(app.database, 'release_usage');
      if (end === 'is undone') fail();
    });
    expect(await ending.catch(() => 'undone')).toBe(end === 'commits' ? undefined : 'undone');
    await releasing;
    expect(await counted(app.database, payer)).toEqual({ used: { 'files.keep': used }, reserved: 0 });
  });
});

const CONFIRM = "select confirm_usage(?, 'tenant', ?, false) as confirmed";
const TAKE_ONE =
  "select used from take_usage(?, 'tenant', 'files.keep', to_timestamp(0), 10, '{1}', '{null}', array[?]::uuid[], null)";

/** A reservation that has lapsed, by the payer's id. */
async function reserve({ id }: Payer, amount: number): Promise<void> {
  await app.database.query(
    `with held as (insert into usage_reservations (id, owner_id, meter, period_start, amount, expires_at)
       values ($1, $1, 'files.keep', to_timestamp(0), $2, now() - interval '1 s'))
     insert into usage (id, owner_id, meter, period_start, used, lapses_at)
     values ($1, $1, 'files.keep', to_timestamp(0), $2, now() - interval '1 s')`,
    [id, amount],
  );
}

describe('@Consumes', () => {
  const start = (controllers: Type[], chain = requestChain) => startWithBook(clerk, { controllers, chain });

  function aController(decorate: MethodDecorator, ...onClass: ClassDecorator[]): Type<{ show(): object }> {
    class AskedController {
      show() {
        return { ok: true };
      }
    }
    const { prototype } = AskedController;
    const descriptor = Object.getOwnPropertyDescriptor(prototype, 'show') as PropertyDescriptor;
    for (const decorator of [Report, decorate, Get()]) decorator(prototype, 'show', descriptor);
    Object.defineProperty(prototype, 'show', descriptor);
    for (const decorator of [...onClass, Controller('asked')]) decorator(AskedController);
    return AskedController;
  }

  it('of a meter that does not exist stops the start', async () => {
    await expect(start([aController(Consumes('nope'))])).rejects.toThrow(
      'AskedController.show consumes nope, which is no meter: add it to meters in src/entitlements.ts',
    );
  });

  it('on a public route stops the start', async () => {
    const about = 'AskedController.show is @Public() and consumes reports.make: nobody pays for it';
    await expect(start([aController(Consumes('reports.make'), Public())])).rejects.toThrow(about);
  });

  it('without its interceptor stops the start', async () => {
    const chain = requestChain.filter(
      (provider) => !('useExisting' in provider && provider.useExisting === ConsumptionInterceptor),
    );
    expect(chain).toHaveLength(requestChain.length - 1);
    await expect(start([], chain)).rejects.toThrow(
      'ProjectsController.create consumes projects.create, and ConsumptionInterceptor is not provided as APP_INTERCEPTOR',
    );
  });

  it('that an override would lose stops the start', async () => {
    @Controller('heirs')
    class HeirController extends aController(Consumes('reports.make')) {
      @Get()
      @Report
      override show() {
        return { ok: true };
      }
    }
    await expect(start([HeirController])).rejects.toThrow('HeirController.show overrides what consumes reports.make');
  });

  it('goes with what is inherited', async () => {
    @Controller('heirs')
    class HeirController extends aController(Consumes('reports.make')) {}
    const own = await start([HeirController]);
    const { payer, token } = await aPayingTenant(clerk, own);
    expect((await own.as(token(), '/heirs')).status).toBe(200);
    expect((await counted(own.database, payer)).used).toEqual({ 'reports.make': 1 });
  });

  it('stands once on a method', () => {
    const twice: MethodDecorator = (...target) => {
      Consumes('reports.make')(...target);
      Consumes('mails.send')(...target);
    };
    expect(() => aController(twice)).toThrow('AskedController.show: @Consumes stands once');
  });

  it.each(['', 'two words', 'quo"te', 'é'])('takes no meter %p', (meter) => {
    expect(() => aController(Consumes(meter))).toThrow('is no name of a meter');
  });

  it('lets nothing pass outside a request', async () => {
    await expect((async () => new (aController(Consumes('reports.make')))().show())()).rejects.toThrow(
      'show consumes reports.make, and ConsumptionInterceptor did not run',
    );
  });
});
