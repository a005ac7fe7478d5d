import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, type LoggerService, Module, type Provider, Scope, type Type } from '@nestjs/common';
import { PgBoss } from 'pg-boss';
import { freePort } from '../local/ports.ts';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { readSettings } from '../src/config/index.ts';
import { asTenant, forEachTenant, transaction } from '../src/database/index.ts';
import { Job, Jobs } from '../src/jobs/index.ts';
import { environmentOf, startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { onClose } from './support/closing.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { call } from './support/http.ts';

const DIST = join(import.meta.dirname, '../dist/src');
const EVERY_MINUTE = '* * * * *';

interface Note {
  text: string;
  fails?: boolean;
  takesMs?: number;
}

/** What a team writes. */
@Injectable()
class Notes {
  constructor(private readonly em: EntityManager) {}

  @Job('scratch_notes.write')
  async write({ text: note, fails, takesMs = 0 }: Note, em: EntityManager): Promise<void> {
    await em.execute('insert into scratch_notes (text) values (?)', [note]);
    await this.em.execute('insert into scratch_notes (text) values (?)', [`${note}, injected`]);
    await pause(takesMs);
    if (fails) throw new Error('the pen is dry');
  }
}

@Injectable()
class Clock {
  @Job('clock.strike', { cron: EVERY_MINUTE })
  async strike(_: null, em: EntityManager): Promise<void> {
    await em.execute("insert into scratch_notes (text) values ('strike')");
  }
}

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Asks until it is so; the test's own time-out ends it. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause(50);
}

async function aDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  await database.query('create table scratch_notes (text text); grant all on scratch_notes to gatehouse');
  return database;
}

/** The application with these providers, on a database that has a table of notes. */
async function start(providers: Provider[], database?: TestDatabase): Promise<TestApp> {
  return startApp(clerk, {}, database ?? (await aDatabase()), (env) => moduleOf(env, providers));
}

function moduleOf(env: Record<string, string>, providers: Provider[]): Type {
  @Module({ imports: modulesOf(readSettings(env)), providers: [...requestChain, ...providers] })
  class TestModule {}
  return TestModule;
}

/** Enqueues each in one transaction, which then does as it is told. */
async function enqueue({ app, orm }: TestApp, notes: Note[], end: () => void = () => undefined): Promise<void> {
  await transaction(orm.em.fork(), async (em) => {
    for (const note of notes) await app.get(Jobs).enqueue(em, 'scratch_notes.write', note);
    end();
  });
}

async function notesIn(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ text: string }>('select text from scratch_notes order by text');
  return rows.map((row) => row.text);
}

const isIdle = async ({ app }: TestApp) => {
  const { active, waiting } = await app.get(Jobs).counts();
  return active + waiting === 0;
};

/** Retries do not wait: what is to come is now. */
const hurry = (database: TestDatabase) =>
  database.query("update pgboss.job set start_after = now() where state = 'retry' and start_after > now()");

/** Those of the server for a transaction that is idle, and for a statement. */
const IDLE = 'idle_in_transaction_session_timeout';
const STATEMENT = 'statement_timeout';

async function setTimeOut(database: TestDatabase, setting: string, milliseconds: number): Promise<void> {
  await database.query(
    `alter role gatehouse in database ${new URL(database.url).pathname.slice(1)} set ${setting} = ${milliseconds}`,
  );
}

/** What a job of that name failed with. */
async function errorOf({ database }: TestApp, name: string): Promise<string | undefined> {
  const [job] = await database.query<{ message: string }>(
    "select output ->> 'message' as message from pgboss.job where name = $1 and output is not null",
    [name],
  );
  return job?.message;
}

/** What the process logs from now on. */
function linesOf({ app }: TestApp): Record<'errors' | 'warnings', string[]> {
  const lines = { errors: [] as string[], warnings: [] as string[] };
  const logger: LoggerService = {
    log: () => undefined,
    warn: (line: string) => lines.warnings.push(line),
    error: (line: string) => lines.errors.push(line),
  };
  app.useLogger(logger);
  return lines;
}

describe('a job', () => {
  let app: TestApp;

  beforeAll(async () => {
    app = await start([Notes, { provide: 'ALIAS', useExisting: Notes }]);
  });

  it('never runs when the transaction that enqueued it rolls back', async () => {
    const enqueued = enqueue(app, [{ text: 'undone' }], () => {
      throw new Error('no');
    });
    await expect(enqueued).rejects.toThrow('no');
    expect(await isIdle(app)).toBe(true);
    await pause(1000);
    expect(await notesIn(app.database)).toEqual([]);
  });

  it('runs once when it commits, and then is gone', async () => {
    const began = performance.now();
    await enqueue(app, [{ text: 'done' }]);
    await until(async () => (await notesIn(app.database)).length > 0);
    // by the poll: a worker of its own accord asks every 30 s
    expect(performance.now() - began).toBeLessThan(15_000);
    await until(() => isIdle(app));
    expect(await notesIn(app.database)).toEqual(['done', 'done, injected']);
    expect(await app.database.query("select from pgboss.job where name = 'scratch_notes.write'")).toEqual([]);
  });

  it('is refused outside a transaction, and under a name that nobody has', async () => {
    const jobs = app.app.get(Jobs);
    await expect(jobs.enqueue(app.orm.em.fork(), 'scratch_notes.write', {})).rejects.toThrow(/in the transaction/);
    const enqueued = transaction(app.orm.em.fork(), (em) => jobs.enqueue(em, 'scratch_notes.burn', {}));
    await expect(enqueued).rejects.toThrow('There is no job named scratch_notes.burn');
  });

  it('is enqueued by the transaction itself, not beside it', async () => {
    const [by, of] = await transaction(app.orm.em.fork(), async (em) => {
      await app.app.get(Jobs).enqueue(em, 'scratch_notes.write', { text: 'mine' });
      const [row] = await em.execute<{ by: string; of: string }[]>(
        "select xmin::text as by, pg_current_xact_id()::text as of from pgboss.job where data ->> 'text' = 'mine'",
      );
      return [row?.by, row?.of];
    });
    expect(by).toBe(of);
    await until(() => isIdle(app));
  });

  it('runs once each, however many there are and however many processes take them', async () => {
    const other = await start([Notes], app.database);
    await app.database.query('delete from scratch_notes');
    const texts = Array.from({ length: 300 }, (_, i) => `burst ${String(i).padStart(3, '0')}`);
    await Promise.all([enqueue(app, texts.slice(0, 150).map(asNote)), enqueue(other, texts.slice(150).map(asNote))]);
    await until(() => isIdle(app));
    const written = (await notesIn(app.database)).filter((note) => !note.endsWith('injected'));
    expect(written).toEqual(texts);
  });
});

const asNote = (note: string): Note => ({ text: note });

describe('a job that another process has taken over', () => {
  it('writes nothing, and stays with the other', async () => {
    const app = await start([Notes]);
    await enqueue(app, [{ text: 'slow', takesMs: 1000 }]);
    await until(async () => (await app.app.get(Jobs).counts()).active === 1);
    await app.database.query("update pgboss.job set state = 'retry', start_after = now() + interval '1 hour'");
    await pause(2000);
    expect(await notesIn(app.database)).toEqual([]);
    expect(await app.app.get(Jobs).counts()).toEqual({ dead: 0, active: 0, waiting: 1 });
  });
});

describe('a job that throws', () => {
  it('is tried eight times, writes nothing, and then is dead, said once, without its data', async () => {
    const app = await start([Notes]);
    await start([Notes], app.database);
    const { errors } = linesOf(app);
    const jobs = app.app.get(Jobs);
    await enqueue(app, [{ text: 'secret', fails: true }]);
    const counts = new Set<number>();
    await until(async () => {
      await hurry(app.database);
      const rows = await app.database.query<{ n: number }>(
        "select retry_count as n from pgboss.job where name = 'scratch_notes.write'",
      );
      for (const { n } of rows) counts.add(n);
      return (await jobs.counts()).dead === 1;
    });
    expect(Math.max(...counts)).toBe(7);
    expect(await notesIn(app.database)).toEqual([]);
    const [dead, ...others] = await jobs.dead();
    expect(others).toEqual([]);
    expect(dead).toEqual({
      id: expect.any(String),
      name: 'scratch_notes.write',
      data: { text: 'secret', fails: true },
      error: 'the pen is dry',
      attempts: 8,
      createdAt: expect.any(Date),
      diedAt: expect.any(Date),
    });
    expect(Date.now() - (dead?.diedAt.getTime() ?? 0)).toBeLessThan(30_000);
    await until(async () => errors.length > 0);
    await pause(1000);
    expect(errors).toEqual(['The job scratch_notes.write is dead: the pen is dry']);
    expect(await jobs.counts()).toEqual({ dead: 1, active: 0, waiting: 0 });
    expect(await jobs.dead({ data: { text: 'secret' } })).toEqual([dead]);
    expect(await jobs.dead({ data: { text: 'another' } })).toEqual([]);
  });

  it('waits longer and longer before each of its attempts, the first time about a second', async () => {
    const app = await start([Notes]);
    await enqueue(app, [{ text: 'late', fails: true }]);
    const delays: number[] = [];
    while (delays.length < 7) {
      const [row] = await app.database.query<{ delay: number; n: number }>(
        "select retry_count as n, extract(epoch from start_after - now())::float as delay from pgboss.job where state = 'retry'",
      );
      if (row && row.n === delays.length) {
        delays.push(row.delay);
        await hurry(app.database);
      }
      await pause(5);
    }
    delays.forEach((delay, i) => {
      expect(delay).toBeGreaterThan(2 ** i * 0.9 - 0.5);
      expect(delay).toBeLessThanOrEqual(2 ** (i + 1));
    });
  });

  it('runs again with all its attempts when it is revived', async () => {
    const app = await start([Notes]);
    const jobs = app.app.get(Jobs);
    const data = { text: 'again', fails: true };
    await enqueue(app, [data, { text: 'other', fails: true }]);
    await until(async () => {
      await hurry(app.database);
      return (await jobs.counts()).dead === 2;
    });
    await transaction(app.orm.em.fork(), (em) => jobs.revive(em, 'scratch_notes.write', data));
    expect(await jobs.counts()).toMatchObject({ dead: 1 });
    await until(async () => {
      await hurry(app.database);
      return (await jobs.counts()).dead === 2;
    });
    expect((await jobs.dead()).map(({ attempts }) => attempts)).toEqual([8, 8]);
  });
});

describe('a job for each tenant', () => {
  const TENANTS = 4500;
  const ENQUEUED = `
    select data, priority, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, heartbeat_seconds, policy,
           deletion_seconds, dead_letter, state, keep_until - start_after as kept, start_after = now() as "isDue", singleton_key
    from pgboss.job where name = 'bills.send'`;
  const living = 'select id from tenants where deleted_at is null order by id';

  /** Fails when it is first tried. */
  @Injectable()
  class Bills {
    attempts = 0;

    constructor(private readonly jobs: Jobs) {}

    @Job('bills.send-all')
    async sendAll(data: object, em: EntityManager): Promise<void> {
      await this.jobs.enqueueForEachTenant(em, 'bills.send', data);
      this.attempts++;
      if (this.attempts === 1) throw new Error('the printer is on fire');
    }

    @Job('bills.send')
    async send({ text: note }: Note, em: EntityManager): Promise<void> {
      await em.execute("insert into scratch_notes (text) values (? || current_setting('app.tenant_id'))", [note]);
    }

    @Job('bills.visit-all')
    async visitAll(_: object, em: EntityManager): Promise<void> {
      await forEachTenant(em, async () => undefined);
    }
  }

  async function withTenants(count: number): Promise<TestDatabase> {
    const database = await aDatabase();
    await database.query(
      `insert into tenants (id, clerk_id, deleted_at)
       select gen_random_uuid(), 'org_' || n, case when n % 3 = 0 then now() end from generate_series(1, ${count}) as n`,
    );
    return database;
  }

  it('is enqueued for all that are not deleted, as one that is enqueued by itself', async () => {
    const { app, orm, database } = await start([Bills], await withTenants(TENANTS));
    const jobs = app.get(Jobs);
    const ids = (await database.query<{ id: string }>(living)).map(({ id }) => id);
    expect(ids).toHaveLength(TENANTS - TENANTS / 3);
    const enqueued = transaction(orm.em.fork(), async (em) => {
      await asTenant(em, ids[0] as string, (own) => jobs.enqueue(own, 'bills.send', { text: 'to ' }));
      const [one] = await em.execute<{ data: Note }[]>(ENQUEUED);
      await em.execute("delete from pgboss.job where name = 'bills.send'");
      await jobs.enqueueForEachTenant(em, 'bills.send', { text: 'to ' });
      const all = await em.execute<{ data: { tenantId: string } }[]>(`${ENQUEUED} order by data ->> 'tenantId'`);
      expect(all).toEqual(ids.map((tenantId) => ({ ...one, data: { text: 'to ', tenantId } })));
      throw new Error('undone');
    });
    await expect(enqueued).rejects.toThrow('undone');
    expect(await database.query("select from pgboss.job where name = 'bills.send'")).toEqual([]);
  });

  it('runs once as each, however often what enqueues it fails', async () => {
    const app = await start([Bills], await withTenants(30));
    await transaction(app.orm.em.fork(), (em) => app.app.get(Jobs).enqueue(em, 'bills.send-all', { text: '' }));
    await until(async () => {
      await hurry(app.database);
      return isIdle(app);
    });
    expect(app.app.get(Bills).attempts).toBe(2);
    expect(await notesIn(app.database)).toEqual((await app.database.query<{ id: string }>(living)).map(({ id }) => id));
  });

  it('is refused where it would run for whom its data names, or whoever enqueues it may not see', async () => {
    const { app, orm, database } = await start([Bills], await withTenants(1));
    const jobs = app.get(Jobs);
    const [tenant] = await database.query<{ id: string }>(living);
    const id = tenant?.id ?? '';
    const forEach = (data: object) => (em: EntityManager) => jobs.enqueueForEachTenant(em, 'bills.send', data);
    await expect(transaction(orm.em.fork(), forEach({ tenantId: id }))).rejects.toThrow('names none');
    await expect(asTenant(orm.em.fork(), id, forEach({}))).rejects.toThrow('for that tenant alone');
    await expect(forEach({})(orm.em.fork())).rejects.toThrow('in the transaction that wants it');
    const unknown = (em: EntityManager) => jobs.enqueueForEachTenant(em, 'bills.burn', {});
    await expect(transaction(orm.em.fork(), unknown)).rejects.toThrow('There is no job named bills.burn');
  });

  it('is what a job that would take a transaction for each is told to use', async () => {
    const app = await start([Bills], await withTenants(1));
    await transaction(app.orm.em.fork(), (em) => app.app.get(Jobs).enqueue(em, 'bills.visit-all', {}));
    await until(async () => (await errorOf(app, 'bills.visit-all')) !== undefined);
    expect(await errorOf(app, 'bills.visit-all')).toContain('in a job use jobs.enqueueForEachTenant');
  });
});

describe('a job outside of a transaction', () => {
  const seen: { id: string; isInTransaction: boolean; by: string }[] = [];

  @Injectable()
  class Mails {
    constructor(private readonly em: EntityManager) {}

    @Job('mails.send', { transaction: false })
    async send({ fails, takesMs = 0 }: Partial<Note>, em: EntityManager, { id }: { id: string }): Promise<void> {
      const isInTransaction = em.isInTransaction() || this.em.isInTransaction();
      for (const own of [em, this.em])
        await transaction(own.fork(), (inner) =>
          inner.execute(
            "insert into scratch_notes (text) values (coalesce(current_setting('app.tenant_id', true), ''))",
          ),
        );
      const [row] = await this.em.execute<{ by: string }[]>("select current_setting('app.tenant_id', true) as by");
      await pause(takesMs);
      seen.push({ id, isInTransaction, by: row?.by ?? '' });
      if (fails) throw new Error('the server of mail is away');
    }
  }

  it('holds none, sees its tenant’s rows, and has one id however often it is tried', async () => {
    const database = await aDatabase();
    const tenantId = randomUUID();
    await database.query("insert into tenants (id, clerk_id) values ($1, 'org_1')", [tenantId]);
    const app = await start([Mails], database);
    const jobs = app.app.get(Jobs);
    await asTenant(app.orm.em.fork(), tenantId, (em) => jobs.enqueue(em, 'mails.send', { fails: true }));
    await until(async () => {
      await hurry(app.database);
      return (await jobs.counts()).dead === 1;
    });
    await transaction(app.orm.em.fork(), (em) => jobs.revive(em, 'mails.send', { fails: true, tenantId }));
    await until(async () => seen.length > 8);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(1);
    expect(seen).toEqual(seen.map(({ id }) => ({ id, isInTransaction: false, by: tenantId })));
    // what it wrote before it failed stays
    expect(new Set(await notesIn(app.database))).toEqual(new Set([tenantId]));
  });

  it('is ended by no time-out of the database, is nobody’s where no tenant enqueued it, and is gone once it ends', async () => {
    const database = await aDatabase();
    await setTimeOut(database, IDLE, 300);
    const app = await start([Mails], database);
    const nobodys = () => seen.filter(({ by }) => by === '');
    const data = { takesMs: 1000 };
    await transaction(app.orm.em.fork(), (em) => app.app.get(Jobs).enqueue(em, 'mails.send', data));
    await until(async () => nobodys().length > 0 && (await isIdle(app)));
    expect(nobodys()).toEqual([{ id: expect.any(String), isInTransaction: false, by: '' }]);
    expect(await database.query("select from pgboss.job where name = 'mails.send'")).toEqual([]);
  });
});

describe('a job that a time-out of the database ends', () => {
  @Injectable()
  class Slow {
    constructor(private readonly em: EntityManager) {}

    @Job('slow.idle')
    async idle(_: object, em: EntityManager): Promise<void> {
      await em.execute('select 1');
      await pause(2000);
      await em.execute('select 1');
    }

    @Job('slow.call')
    async call(): Promise<void> {
      await pause(2000);
    }

    @Job('slow.statement')
    async statement(): Promise<void> {
      await this.em.execute('select pg_sleep(5)');
    }

    @Job('slow.wrapped')
    async wrapped(_: object, em: EntityManager): Promise<void> {
      await em.execute('select pg_sleep(5)').catch((cause: unknown) => {
        throw new Error('no report', { cause });
      });
    }
  }

  it.each([
    ['slow.idle', IDLE, "@Job('slow.idle', { transaction: false })"],
    ['slow.call', IDLE, "@Job('slow.call', { transaction: false })"],
    ['slow.statement', STATEMENT, 'A statement of the job slow.statement took longer than statement_timeout'],
    ['slow.wrapped', STATEMENT, 'A statement of the job slow.wrapped took longer than statement_timeout'],
  ])('says so, and what to do: %s', async (name, setting, message) => {
    const database = await aDatabase();
    await setTimeOut(database, setting, 1000);
    const app = await start([Slow], database);
    await transaction(app.orm.em.fork(), (em) => app.app.get(Jobs).enqueue(em, name, {}));
    await until(async () => (await errorOf(app, name)) !== undefined);
    expect(await errorOf(app, name)).toContain(message);
  });
});

describe('a job on a schedule', () => {
  it('runs once for each time, over all processes', async () => {
    const minute = () => Math.floor(Date.now() / 60_000);
    const began = minute();
    const apps = [await start([Clock])];
    const { database } = apps[0] as TestApp;
    apps.push(await start([Clock], database), await start([Clock], database));
    await until(async () => (await notesIn(database)).length > 0);
    await pause(11_000);
    const strikes = (await notesIn(database)).length;
    expect(strikes).toBeLessThanOrEqual(minute() - began + 1);
    const [filed] = await database.query<{ n: number }>(
      "select count(distinct singleton_on)::int as n from pgboss.job where name = '__pgboss__send-it'",
    );
    expect(strikes).toBe(filed?.n);
  });

  it('is forgotten a day after no code has it any more', async () => {
    const database = await aDatabase();
    const { app } = await start([Clock], database);
    await app.close();
    const schedules = () =>
      database.query<{ name: string }>("select name from pgboss.schedule where name like 'clock%'");
    await start([], database);
    expect(await schedules()).toHaveLength(1);
    await database.query("update pgboss.schedule set updated_on = now() - interval '25 hours'");
    await start([], database);
    expect(await schedules()).toEqual([]);
  });
});

/** A process that takes a job and never ends it. */
const STUCK = `
  import { Module } from '@nestjs/common';
  import { EntityManager } from '@mikro-orm/postgresql';
  import { createApp } from '${DIST}/app.js';
  import { modulesOf, requestChain } from '${DIST}/app.module.js';
  import { readSettings } from '${DIST}/config/index.js';
  import { Jobs } from '${DIST}/jobs/index.js';
  const settings = readSettings();
  class Stuck {}
  Module({ imports: modulesOf(settings), providers: requestChain })(Stuck);
  const app = await createApp(settings, Stuck);
  const jobs = app.get(Jobs);
  jobs.register('scratch_notes.write', () => new Promise(() => process.stdout.write('running\\n')));
  await app.init();
  await app.get(EntityManager).fork().transactional((em) => jobs.enqueue(em, 'scratch_notes.write', { text: 'survivor' }));
`;

describe('a process that is killed', () => {
  it('leaves its job to another, which has run it within a minute', async () => {
    const database = await aDatabase();
    const env = { PATH: process.env.PATH ?? '', ...environmentOf(clerk, database) };
    const child = spawn(process.execPath, ['--input-type=module', '--eval', STUCK], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: join(import.meta.dirname, '..'),
    });
    onClose(async () => child.kill('SIGKILL'));
    const said = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
    expect(String(said[0])).toBe('running\n');
    const other = await start([Notes], database);
    child.kill('SIGKILL');
    const killed = performance.now();
    await until(async () => (await notesIn(database)).length > 0);
    expect(performance.now() - killed).toBeLessThan(60_000);
    await until(() => isIdle(other));
    expect(await notesIn(database)).toEqual(['survivor', 'survivor, injected']);
  });
});

describe('the start', () => {
  @Injectable()
  class Twice {
    @Job('scratch_notes.write')
    async write(): Promise<void> {}
  }

  @Injectable({ scope: Scope.REQUEST })
  class Brief {
    @Job('brief')
    async run(): Promise<void> {}
  }

  @Injectable()
  class Never {
    @Job('never', { cron: '61 * * * *' })
    async run(): Promise<void> {}
  }

  @Injectable()
  class Odd {
    @Job("it's odd")
    async run(): Promise<void> {}
  }

  it.each<[string, Type[], string]>([
    ['two jobs have one name', [Notes, Twice], 'Two jobs are named scratch_notes.write'],
    ['a job lives only as long as a request', [Brief], 'The job brief belongs to Brief'],
    ['a schedule is none', [Never], 'The job never has a schedule that is none: 61 * * * *'],
    ['a name is none', [Odd], 'The job "it\'s odd": a name is'],
  ])('is refused where %s', async (_, providers, message) => {
    await expect(start(providers)).rejects.toThrow(message);
  });

  it('takes jobs that are registered before it, and none after', async () => {
    @Injectable()
    class Registers {
      constructor(jobs: Jobs) {
        jobs.register('registered.early', async (note: Note, em) =>
          em.execute('insert into scratch_notes (text) values (?)', [note.text]),
        );
      }
    }
    const app = await start([Registers]);
    const jobs = app.app.get(Jobs);
    await transaction(app.orm.em.fork(), (em) => jobs.enqueue(em, 'registered.early', { text: 'early' }));
    await until(async () => (await notesIn(app.database)).includes('early'));
    expect(() => jobs.register('registered.late', async () => undefined)).toThrow(/after the start/);
  });
});

describe('the end', () => {
  it('waits for the job that is running', async () => {
    const app = await start([Notes]);
    await enqueue(app, [{ text: 'slow', takesMs: 1500 }]);
    await until(async () => !(await isIdle(app)) && (await app.app.get(Jobs).counts()).active === 1);
    await app.app.close();
    expect(await notesIn(app.database)).toEqual(['slow', 'slow, injected']);
    expect(await app.database.query("select from pgboss.job where name = 'scratch_notes.write'")).toEqual([]);
  });
});

describe('while the database is away', () => {
  it('nothing ends, little is said, and jobs run when it is back', async () => {
    const app = await start([Notes]);
    const { errors, warnings } = linesOf(app);
    await app.database.refuse(true);
    await pause(3000);
    await app.database.refuse(false);
    await until(async () => (await app.call('/readyz')).status === 200);
    await enqueue(app, [{ text: 'back' }]);
    await until(async () => (await notesIn(app.database)).includes('back'));
    expect(errors).toEqual([]);
    expect(warnings.filter((line) => line.includes('No job runs'))).toHaveLength(1);
  });

  it('the application starts without it, and its jobs once it is there', async () => {
    const database = await aDatabase();
    await database.refuse(true);
    const app = await start([Notes], database);
    await pause(1500);
    await database.refuse(false);
    await until(async () => (await app.call('/readyz')).status === 200);
    await enqueue(app, [{ text: 'late' }]);
    await until(async () => (await notesIn(database)).length > 0);
    expect(await notesIn(database)).toEqual(['late', 'late, injected']);
  });
});

describe('the schema', () => {
  it('is the one that this version of pg-boss expects', async () => {
    const { url } = await createDatabase();
    const boss = new PgBoss({ connectionString: url, migrate: false, supervise: false, schedule: false });
    boss.on('error', () => undefined);
    await boss.start();
    onClose(() => boss.stop());
    const drift = await boss.detectSchemaDrift();
    expect(drift).toMatchObject({ ok: true });
  });

  it('is the owner’s: the role that runs jobs changes rows alone', async () => {
    const database = await createDatabase();
    const [rights] = await database.query(
      "select has_schema_privilege('gatehouse', 'pgboss', 'usage') as uses, has_schema_privilege('gatehouse', 'pgboss', 'create') as creates",
    );
    expect(rights).toEqual({ uses: true, creates: false });
    const tables = await database.query<{ owner: string; may: string }>(`
      select pg_get_userbyid(relowner) as owner,
             (select string_agg(privilege_type, ' ' order by privilege_type)
                from aclexplode(relacl) where grantee = 'gatehouse'::regrole) as may
        from pg_class where relnamespace = 'pgboss'::regnamespace and relkind in ('r', 'p')`);
    expect(tables.length).toBeGreaterThan(5);
    for (const table of tables) expect(table).toEqual({ owner: 'gatehouse_owner', may: 'DELETE INSERT SELECT UPDATE' });
  });
});

describe('the worker', () => {
  const spawnWorker = (env: Record<string, string>) =>
    spawn(process.execPath, [join(DIST, 'worker.js')], { env: { PATH: process.env.PATH ?? '', ...env } });

  it('is there for jobs alone, until SIGTERM', async () => {
    const database = await aDatabase();
    const PORT = String(await freePort());
    const child = spawnWorker({ ...environmentOf(clerk, database), PORT, LOG_LEVEL: 'info' });
    onClose(async () => child.kill('SIGKILL'));
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    const ended = once(child, 'close');
    await until(async () => output.includes('"Ready"') || child.exitCode !== null);
    await expect(call(`http://127.0.0.1:${PORT}/healthz`)).rejects.toThrow('ECONNREFUSED');
    child.kill('SIGTERM');
    const [code, signal] = (await ended) as [number | null, string | null];
    expect([0, 'SIGTERM']).toContain(code ?? signal);
    expect(output).not.toMatch(/"level":[456]0/);
    expect(output).toMatch(/"msg":"Working on jobs/);
    expect(output).toMatch(/"msg":"Stopping: SIGTERM received"/);
  });

  it('says which setting is wrong, as the server does', async () => {
    const child = spawnWorker({ DATABASE_URL: 'mysql://nowhere' });
    const [said] = await Promise.all([text(child.stderr), once(child, 'close')]);
    expect(said).toMatch(/^The settings are wrong:\n {2}DATABASE_URL: must be/);
    expect(child.exitCode).toBe(1);
  });
});
