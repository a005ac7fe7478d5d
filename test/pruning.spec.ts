import { beforeAll, describe, expect, it } from '@jest/globals';
import { Pruning } from '../src/database/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startApp(await TestClerk.start());
});

const keysOf = async (sql: string) => (await app.database.query<{ key: string }>(sql)).map(({ key }) => key);

describe('pruning', () => {
  it('forgets what is past its time, and nothing else', async () => {
    await app.database.query(`
      insert into changes (topic, key, at) values ('x', 'old', now() - interval '61 minutes'), ('x', 'new', now() - interval '59 minutes');
      insert into revocations values ('session', 'old', null, now() - interval '1 second'), ('session', 'new', null, now() + interval '1 hour');
      insert into inbox (id, type, status, event_at, payload, received_at) values
        ('old', 'x', 'failed', 0, '{}', now() - interval '36 days'), ('new', 'x', 'failed', 0, '{}', now() - interval '34 days');
      insert into waiting_billing (id, provider_ids, word, at) values
        (gen_random_uuid(), '{old}', '{}', now() - interval '36 days'), (gen_random_uuid(), '{new}', '{}', now() - interval '34 days')`);
    await app.app.get(Pruning).run();
    expect(await keysOf("select key from changes where topic = 'x'")).toEqual(['new']);
    expect(await keysOf('select clerk_id as key from revocations')).toEqual(['new']);
    expect(await keysOf('select id as key from inbox')).toEqual(['new']);
    expect(await keysOf('select provider_ids[1] as key from waiting_billing')).toEqual(['new']);
  });

  it('is scheduled from the start', async () => {
    expect(await keysOf("select name as key from pgboss.schedule where name = 'pruning'")).toEqual(['pruning']);
  });
});
