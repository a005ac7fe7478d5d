import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Module } from '@nestjs/common';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { readSettings } from '../src/config/index.ts';
import { transaction } from '../src/database/index.ts';
import { Job, Jobs } from '../src/jobs/index.ts';
import { environmentOf, startApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { ServerProcess } from './support/server.ts';

const WORD = 'hunter2';
const STREET = 'Elm Street 5';

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

@Injectable()
class Scribe {
  @Job('scribe.write')
  async write({ name }: { name: string }, em: EntityManager): Promise<void> {
    await em.execute("insert into users (id, clerk_id, name) values (gen_random_uuid(), 'user_scribe', ?)", [name]);
  }
}

/** Users may not have the word in their name, address or settings. */
async function aStrictDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  await database.query(`alter table users add constraint no_word
    check (concat(name, email, settings::text) not like '%${WORD}%')`);
  return database;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** The lines of errors, which must say what an operator can look for. */
const errorsIn = (output: string) => output.split('\n').filter((line) => line.includes('"level":50'));

function expectNoValues(text: string): void {
  for (const value of [WORD, STREET, 'ada.secret@example.com', 'Failing row']) expect(text).not.toContain(value);
}

describe('a statement that the database refuses', () => {
  it.each<[string, object]>([
    ['check constraint', { word: WORD, street: STREET }],
    ['type', { street: STREET, [WORD]: 1 }],
  ])('of a route leaves no value in the log: %s', async (_what, settings) => {
    const database = await aStrictDatabase();
    const server = await ServerProcess.start({ ...environmentOf(clerk, database), LOG_LEVEL: 'debug' });
    const { status, body } = await server.call('/v1/me', {
      method: 'PATCH',
      headers: { authorization: `Bearer ${clerk.aToken()}` },
      body: { settings },
    });
    expect([status, body.code]).toEqual([500, 'internal']);
    await server.stop();
    expectNoValues(server.output);
    expect(errorsIn(server.output).join()).toMatch(/SQLSTATE 23514, table users, constraint no_word/);
  });

  it('of an event leaves no value in the log, nor in the inbox', async () => {
    const database = await aStrictDatabase();
    const server = await ServerProcess.start({ ...environmentOf(clerk, database), LOG_LEVEL: 'debug' });
    const user = clerk.aUser({ first_name: WORD, last_name: STREET });
    const id = `msg_${randomUUID()}`;
    const { status } = await clerk.deliver(server.url, clerk.anEvent('user.created', user), { id });
    expect(status).toBe(500);
    await server.stop();
    expectNoValues(server.output);
    expect(errorsIn(server.output).join()).toMatch(/SQLSTATE 23514, table users, constraint no_word/);
    const [row] = await database.query<{ error: string; status: string }>('select error, status from inbox');
    expect(row).toMatchObject({ status: 'failed', error: expect.stringMatching(/23514.*table users.*no_word/) });
    expectNoValues(row?.error ?? '');
  });

  it('of a job leaves no value in what the job library stores', async () => {
    const database = await aStrictDatabase();
    const app = await startApp(clerk, {}, database, (env) => {
      @Module({ imports: modulesOf(readSettings(env)), providers: [...requestChain, Scribe] })
      class ScribeModule {}
      return ScribeModule;
    });
    await transaction(app.orm.em.fork(), (em) => app.app.get(Jobs).enqueue(em, 'scribe.write', { name: WORD }));
    const outputs = () =>
      database.query<{ output: object | null }>("select output from pgboss.job where name = 'scribe.write'");
    await until(async () => (await outputs()).some(({ output }) => output !== null));
    const stored = JSON.stringify(await outputs());
    expectNoValues(stored);
    expect(stored).toMatch(/SQLSTATE 23514, table users, constraint no_word/);
  });
});
