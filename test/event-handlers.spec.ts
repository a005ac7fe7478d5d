import { beforeAll, describe, expect, it } from '@jest/globals';
import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Module, type Type } from '@nestjs/common';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { createApp } from '../src/app.ts';
import { type ClerkEvent, InEventTransaction, OnClerkEvent } from '../src/clerk/index.ts';
import { readSettings } from '../src/config/index.ts';
import { Jobs } from '../src/jobs/index.ts';
import { Replay } from '../src/webhooks/index.ts';
import { environmentOf, startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { onClose } from './support/closing.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause(25);
}

/** An application with what a team would add: handlers of its own. */
function withProviders(...providers: Type[]) {
  return (env: Record<string, string>): Type => {
    @Module({ imports: modulesOf(readSettings(env)), providers: [...requestChain, ...providers] })
    class TestModule {}
    return TestModule;
  };
}

/** A database with a table for what handlers leave behind. */
async function aDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  await database.query('create table scratch_notes (text text not null)');
  await database.query('grant all on scratch_notes to gatehouse');
  return database;
}

const notesIn = async (database: TestDatabase) =>
  (await database.query<{ text: string }>('select text from scratch_notes order by 1')).map(({ text }) => text);
const statusOf = async (database: TestDatabase, id: string) =>
  (await database.query<{ status: string; error: string }>('select status, error from inbox where id = $1', [id]))[0];
/** Lets the job library try again at once what waits for its next attempt. */
const hurry = (database: TestDatabase) =>
  database.query("update pgboss.job set start_after = now() where state = 'retry' and start_after > now()");

@Injectable()
class Notes {
  @OnClerkEvent('user.created', 'user.deleted')
  async note({ type, data }: ClerkEvent<'user.created' | 'user.deleted'>, em: EntityManager) {
    await em.execute('insert into scratch_notes values (?)', [`${type} ${data.id}`]);
  }
}

@Injectable()
class AlwaysThrows {
  @OnClerkEvent('user.updated')
  async fail(_event: ClerkEvent<'user.updated'>, em: EntityManager) {
    await em.execute("insert into scratch_notes values ('never')");
    throw new Error('a bug of the feature');
  }
}

@Injectable()
class ThrowsAtFirst {
  static isBroken = true;

  @InEventTransaction()
  @OnClerkEvent('user.updated')
  async mirror(_event: ClerkEvent<'user.updated'>, em: EntityManager) {
    await em.execute("insert into scratch_notes values ('core')");
    if (ThrowsAtFirst.isBroken) throw new Error('the core is broken');
  }
}

describe('a handler of a feature', () => {
  it('runs once for an event, as a job, however often that is delivered and replayed', async () => {
    const database = await aDatabase();
    const app = await startApp(clerk, {}, database, withProviders(Notes));
    const user = clerk.aUser();
    const event = clerk.anEvent('user.created', user);
    await Promise.all(Array.from({ length: 5 }, () => clerk.deliver(app.url, event, { id: 'msg_once' })));
    await until(async () => (await notesIn(database)).length > 0);
    await app.app.get(Replay).replay('msg_once');
    await pause(1500);
    expect(await notesIn(database)).toEqual([`user.created ${user.id}`]);
  });

  it('gets its job from a replay by a process that runs none', async () => {
    const database = await aDatabase();
    const app = await startApp(clerk, { CLERK_INSTANCE_ID: clerk.instanceId }, database, withProviders(Notes));
    const user = clerk.aUser();
    await clerk.deliver(app.url, clerk.anEvent('user.created', user, { instanceId: 'ins_other' }), { id: 'msg_aside' });
    const env = environmentOf(clerk, database);
    const command = await createApp(readSettings(env), withProviders(Notes)(env));
    onClose(() => command.close());
    command.get(Jobs).runsHere = false;
    await command.init();
    await command.get(Replay).replay('msg_aside');
    await until(async () => (await notesIn(database)).length > 0);
    expect(await notesIn(database)).toEqual([`user.created ${user.id}`]);
  });

  it('that always throws delays no ban, ends dead and visible, and can be started again by a replay', async () => {
    const database = await aDatabase();
    const app = await startApp(clerk, {}, database, withProviders(AlwaysThrows));
    const { id } = clerk.aUser();
    const token = clerk.aToken({ sub: id });
    await app.as(token, '/v1/me');
    const banned = clerk.anEvent('user.updated', { ...clerk.aUser({ id, banned: true }), updated_at: Date.now() });
    expect((await clerk.deliver(app.url, banned, { id: 'msg_ban' })).status).toBe(204);
    expect((await app.as(token, '/v1/me')).body.code).toBe('token_revoked');
    const replay = app.app.get(Replay);
    await until(async () => {
      await hurry(database);
      return (await replay.deadJobsOf('msg_ban')).length > 0;
    });
    expect(await replay.deadJobsOf('msg_ban')).toMatchObject([
      { name: 'clerk.AlwaysThrows.fail', error: 'a bug of the feature', attempts: 8 },
    ]);
    expect(await notesIn(database)).toEqual([]);
    expect((await app.call('/metrics')).body.text).toMatch(/^gatehouse_jobs_dead 1$/m);
    await replay.replay('msg_ban');
    expect(await replay.deadJobsOf('msg_ban')).toEqual([]);
  });
});

describe('a core handler that throws', () => {
  it('undoes the event, leaves it as failed with 500, and the next delivery makes up for it', async () => {
    const database = await aDatabase();
    const app = await startApp(clerk, {}, database, withProviders(ThrowsAtFirst));
    const user = clerk.aUser();
    const event = clerk.anEvent('user.updated', user);
    for (let i = 0; i < 2; i++) {
      const { status, body } = await clerk.deliver(app.url, event, { id: 'msg_broken' });
      expect([status, body.code]).toEqual([500, 'internal']);
    }
    expect(await statusOf(database, 'msg_broken')).toEqual({ status: 'failed', error: 'the core is broken' });
    expect(await notesIn(database)).toEqual([]);
    expect(await database.query('select from users')).toEqual([]);
    ThrowsAtFirst.isBroken = false;
    expect((await clerk.deliver(app.url, event, { id: 'msg_broken' })).status).toBe(204);
    expect(await statusOf(database, 'msg_broken')).toEqual({ status: 'processed', error: null });
    expect(await notesIn(database)).toEqual(['core']);
    expect(await database.query('select deliveries from inbox')).toEqual([{ deliveries: 3 }]);
  });
});

describe('many deliveries at once', () => {
  const pair = async (): Promise<[TestApp, TestApp]> => {
    const database = await aDatabase();
    const first = await startApp(clerk, {}, database, withProviders(Notes));
    return [first, await startApp(clerk, {}, database, withProviders(Notes))];
  };

  it('of one event over two processes have one effect, and at most two connections wait', async () => {
    const [a, b] = await pair();
    const event = clerk.anEvent('user.created', clerk.aUser());
    let [waiting, over] = [0, false];
    const watching = (async () => {
      while (!over) {
        const [row] = await a.database.query<{ n: string }>(
          "select count(*) as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        );
        waiting = Math.max(waiting, Number(row?.n));
      }
    })();
    const deliveries = Array.from({ length: 100 }, (_, i) =>
      clerk.deliver([a, b][i % 2]?.url ?? '', event, { id: 'msg_hundred' }),
    );
    const statuses = (await Promise.all(deliveries)).map(({ status }) => status);
    over = true;
    await watching;
    expect(statuses).toEqual(Array.from({ length: 100 }, () => 204));
    expect(waiting).toBeLessThanOrEqual(2);
    await until(async () => (await notesIn(a.database)).length > 0);
    await pause(1000);
    expect(await notesIn(a.database)).toHaveLength(1);
    expect(await a.database.query('select deliveries from inbox')).toEqual([{ deliveries: 100 }]);
  });

  /** Repeated where a busy machine had no time for it. */
  async function answered(call: () => Promise<{ status: number }>): Promise<number> {
    for (;;) {
      const { status } = await call();
      if (status !== 503) return status;
      await pause(100);
    }
  }

  it('and first sights of the same fifty people let no deadlock reach a client', async () => {
    const [a, b] = await pair();
    const people = Array.from({ length: 50 }, (_, i) => clerk.aUser({ external_id: `person ${i}` }));
    const calls = Array.from({ length: 1000 }, (_, i) => async () => {
      const [user, app] = [people[i % 50] ?? clerk.aUser(), [a, b][i % 2] ?? a];
      const event = clerk.anEvent('user.updated', { ...user, updated_at: Date.now() + i });
      return Promise.all([
        answered(() => app.as(clerk.aToken({ sub: user.id }), '/v1/me')),
        answered(() => clerk.deliver(app.url, event, { id: `msg_first_${i}` })),
      ]);
    });
    const statuses: number[] = [];
    const take = async () => {
      for (let next = calls.pop(); next; next = calls.pop()) statuses.push(...(await next()));
    };
    await Promise.all(Array.from({ length: 50 }, take));
    expect(new Set(statuses)).toEqual(new Set([200, 204]));
    expect(statuses).toHaveLength(2000);
    expect(await a.database.query('select count(*)::int as n from users')).toEqual([{ n: 50 }]);
  });
});
