import { beforeAll, expect, it } from '@jest/globals';
import type { EntityManager } from '@mikro-orm/postgresql';
import { transaction } from '../src/database/index.ts';
import { TenantMirror } from '../src/tenants/index.ts';
import { UserMirror } from '../src/users/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import type { Answer } from './support/http.ts';
import { anAdmin, type Member, meet } from './support/tenants.ts';

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk);
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const deletionOf = (clerkId: string) => ({ clerkId, deletedAt: Date.now(), eventId: 'msg_deletion' });
const deletion = {
  users: (em: EntityManager, { user }: Member) => app.app.get(UserMirror).delete(em, deletionOf(user.id)),
  tenants: (em: EntityManager, { organization }: Member) =>
    app.app.get(TenantMirror).delete(em, deletionOf(organization.id)),
};

async function untilSomebodyWaits(): Promise<void> {
  const sql =
    'select from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0';
  while ((await app.database.query(sql)).length === 0) await pause(10);
}

it.each([
  ['users', 'PATCH', '/v1/me', { settings: { of: 'nobody' }, locale: 'de' }],
  ['tenants', 'PATCH', '/v1/tenant', { settings: { of: 'nobody' } }],
  ['tenants', 'PATCH', '/v1/tenant', { name: 'Nobody', settings: { of: 'nobody' } }],
  ['tenants', 'POST', '/v1/tenant/invitations', { email: 'grace@example.com' }],
] as const)(
  'a row of %s that is deleted while %s %s waits for it stays as the deletion left it',
  async (table, method, path, body) => {
    const ours = anAdmin(clerk);
    await meet(app, ours.token());
    const row = async () =>
      app.database.query(`select * from ${table} where clerk_id = $1`, [
        table === 'users' ? ours.user.id : ours.organization.id,
      ]);
    let answer: Promise<Answer> | undefined;
    await transaction(app.orm.em.fork(), async (em) => {
      await deletion[table](em, ours);
      answer = app.as(ours.token(), path, { method, body });
      await untilSomebodyWaits();
    });
    expect(await answer).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    expect(await row()).toMatchObject([{ deleted_at: expect.any(Date), name: null, settings: {} }]);
  },
);
