import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Revocations } from '../src/auth/index.ts';
import { transaction } from '../src/database/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { startPgBouncer } from './support/pgbouncer.ts';
import { DatabaseProxy } from './support/proxy.ts';

let clerk: TestClerk;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

interface SignedIn {
  id: string;
  sid: string;
  token: string;
}

/** Somebody with a token that lives long, already met by these instances. */
async function someone(...apps: TestApp[]): Promise<SignedIn> {
  const { id } = clerk.aUser();
  const sid = `sess_${id.slice(5)}`;
  const token = clerk.aToken({ sub: id, sid, exp: secondsFromNow(600) });
  for (const app of apps) expect((await app.as(token, '/v1/me')).status).toBe(200);
  return { id, sid, token };
}

async function tell(app: TestApp, type: string, data: object, timestamp = Date.now()): Promise<void> {
  expect((await clerk.deliver(app.url, clerk.anEvent(type, data, { timestamp }))).status).toBe(204);
}

const end = (app: TestApp, { id, sid }: SignedIn, how = 'revoked') =>
  tell(app, `session.${how}`, { object: 'session', id: sid, user_id: id, status: how, updated_at: Date.now() });

async function setBanned(app: TestApp, id: string, banned: boolean, updatedAt = Date.now()): Promise<void> {
  await tell(app, 'user.updated', { ...clerk.aUser({ id, banned }), updated_at: updatedAt });
}

/** The code of the first refusal of the token; a test that waits too long for it fails by its own time. */
async function refusalOf(app: TestApp, token: string): Promise<unknown> {
  for (;;) {
    const { status, body } = await app.as(token, '/v1/me');
    if (status !== 200) return body.code;
    await pause(10);
  }
}

async function pairOn(database: TestDatabase, env: Record<string, string> = {}): Promise<[TestApp, TestApp]> {
  return [await startApp(clerk, env, database), await startApp(clerk, env, database)];
}

describe('a session that is over at Clerk', () => {
  it.each(['revoked', 'ended', 'removed'])(
    'is refused everywhere once session.%s is acknowledged anywhere',
    async (how) => {
      const [a, b] = await pairOn(await createDatabase());
      const ada = await someone(a, b);
      const other = await someone(a, b);
      await end(a, ada, how);
      expect((await a.as(ada.token, '/v1/me')).body.code).toBe('token_revoked');
      expect(await refusalOf(b, ada.token)).toBe('token_revoked');
      for (const app of [a, b]) expect((await app.as(other.token, '/v1/me')).status).toBe(200);
      const fresh = clerk.aToken({ sub: ada.id, iat: secondsFromNow(2), nbf: secondsFromNow(0), sid: ada.sid });
      expect((await b.as(fresh, '/v1/me')).body.code).toBe('token_revoked');
      expect((await b.as(clerk.aToken({ sub: ada.id }), '/v1/me')).status).toBe(200);
    },
  );

  it('is refused by an instance that starts later', async () => {
    const a = await startApp(clerk);
    const ada = await someone(a);
    await end(a, ada);
    const later = await startApp(clerk, {}, a.database);
    expect((await later.as(ada.token, '/v1/me')).body.code).toBe('token_revoked');
  });

  it('is not brought back by events that come late', async () => {
    const a = await startApp(clerk);
    const ada = await someone(a);
    await end(a, ada);
    await tell(a, 'session.created', {
      object: 'session',
      id: ada.sid,
      user_id: ada.id,
      status: 'active',
      updated_at: Date.now() + 1000,
    });
    expect((await a.as(ada.token, '/v1/me')).body.code).toBe('token_revoked');
  });
});

describe('a ban', () => {
  it('takes the tokens from before it for ever, and a new one works from the next second on', async () => {
    const [a, b] = await pairOn(await createDatabase());
    const ada = await someone(a, b);
    const bannedAt = Date.now();
    await setBanned(a, ada.id, true, bannedAt);
    expect(await refusalOf(b, ada.token)).toBe('token_revoked');
    await setBanned(a, ada.id, false, bannedAt + 500);
    await pause(700);
    const sameSecond = clerk.aToken({ sub: ada.id, iat: Math.floor(bannedAt / 1000), exp: secondsFromNow(300) });
    const nextSecond = clerk.aToken({
      sub: ada.id,
      iat: Math.floor(bannedAt / 1000) + 1,
      nbf: secondsFromNow(-5),
      exp: secondsFromNow(300),
    });
    for (const app of [a, b]) {
      expect((await app.as(ada.token, '/v1/me')).body.code).toBe('token_revoked');
      expect((await app.as(sameSecond, '/v1/me')).body.code).toBe('token_revoked');
      expect((await app.as(nextSecond, '/v1/me')).status).toBe(200);
    }
  });

  it('takes the old tokens too when its event comes after the one that lifts it', async () => {
    const a = await startApp(clerk);
    const ada = await someone(a);
    const now = Date.now();
    await setBanned(a, ada.id, false, now + 2);
    expect((await a.as(ada.token, '/v1/me')).status).toBe(200);
    await setBanned(a, ada.id, true, now + 1);
    expect((await a.as(ada.token, '/v1/me')).body.code).toBe('token_revoked');
    const later = clerk.aToken({ sub: ada.id, iat: Math.floor(now / 1000) + 1, nbf: secondsFromNow(-5) });
    expect((await a.as(later, '/v1/me')).status).toBe(200);
  });

  it('with a time far ahead counts from its receipt', async () => {
    const a = await startApp(clerk);
    const ada = await someone(a);
    await setBanned(a, ada.id, true, Date.now() + 3_600_000);
    await setBanned(a, ada.id, false, Date.now() + 7_200_000);
    const later = clerk.aToken({ sub: ada.id, iat: secondsFromNow(2), nbf: secondsFromNow(-5) });
    expect((await a.as(later, '/v1/me')).status).toBe(200);
  });

  it('is no lock: a lock refuses nothing', async () => {
    const a = await startApp(clerk);
    const ada = await someone(a);
    await tell(a, 'user.updated', { ...clerk.aUser({ id: ada.id, locked: true }), updated_at: Date.now() });
    expect((await a.as(ada.token, '/v1/me')).status).toBe(200);
  });
});

/** What another module does when it learns of it. */
const revokeTenant = ({ app, orm }: TestApp, tenantId: string) =>
  transaction(orm.em.fork(), (em) => app.get(Revocations).revokeTenant(em, tenantId, Date.now()));
const revokeMembership = ({ app, orm }: TestApp, userId: string, tenantId: string, time: number) =>
  transaction(orm.em.fork(), (em) => app.get(Revocations).revokeMembership(em, { userId, tenantId }, time));

const YEAR_S = 365 * 86_400;

/** How much longer the mark is kept, in seconds. */
async function keptOf({ database }: TestApp, kind: string, clerkId: string): Promise<number> {
  const [row] = await database.query<{ left: string }>(
    'select extract(epoch from expires_at - now()) as left from revocations where kind = $1 and clerk_id = $2',
    [kind, clerkId],
  );
  return Number(row?.left);
}

const aTenantId = () => `org_${randomBytes(12).toString('hex')}`;

/** A token of somebody with the tenant active, that lives long. */
function tokenIn(tenantId: string, sub: string, claims: Record<string, unknown> = {}): string {
  const o = { id: tenantId, rol: 'member' };
  return clerk.aToken({ sub, o, nbf: secondsFromNow(-60), exp: secondsFromNow(600), ...claims });
}

describe('a tenant that is revoked', () => {
  it('refuses the tokens of everybody in it up to its second, everywhere, and no other', async () => {
    const [a, b] = await pairOn(await createDatabase());
    const [ada, bea] = [await someone(a, b), await someone(a, b)];
    const [gone, other] = [aTenantId(), aTenantId()];
    const old = { v: 1, o: undefined, org_id: gone, org_role: 'org:admin' };
    const refused = [tokenIn(gone, ada.id), tokenIn(gone, bea.id), tokenIn('', ada.id, old)];
    const served = [tokenIn(other, ada.id), ada.token, bea.token];
    for (const token of [...refused, ...served]) expect((await b.as(token, '/v1/me')).status).toBe(200);
    await revokeTenant(a, gone);
    for (const token of refused) {
      expect((await a.as(token, '/v1/me')).body.code).toBe('token_revoked');
      expect(await refusalOf(b, token)).toBe('token_revoked');
    }
    const later = tokenIn(gone, ada.id, { iat: secondsFromNow(4) });
    const restarted = await startApp(clerk, {}, a.database);
    for (const app of [a, b, restarted]) {
      expect((await app.as(later, '/v1/me')).status).toBe(200);
      expect((await app.as(refused[0] ?? '', '/v1/me')).body.code).toBe('token_revoked');
      for (const token of served) expect((await app.as(token, '/v1/me')).status).toBe(200);
    }
  });

  it('is kept for good, since an API key of it may live for ever', async () => {
    const a = await startApp(clerk, { CLERK_MAX_TOKEN_LIFETIME_S: '1000' });
    const gone = aTenantId();
    await revokeTenant(a, gone);
    expect(await keptOf(a, 'tenant', gone)).toBeGreaterThan(50 * YEAR_S);
  });
});

describe('a membership that is revoked', () => {
  it('refuses the tokens of that user in that tenant up to its second, everywhere, and no other', async () => {
    const [a, b] = await pairOn(await createDatabase());
    const [ada, bea] = [await someone(a, b), await someone(a, b)];
    const [left, other] = [aTenantId(), aTenantId()];
    const at = Date.now();
    const second = Math.floor(at / 1000);
    const before = tokenIn(left, ada.id, { iat: second - 30 });
    const old = { v: 1, o: undefined, org_id: left, org_role: 'org:admin', iat: second };
    const refused = [before, tokenIn(left, ada.id, { iat: second }), tokenIn('', ada.id, old)];
    const served = [
      tokenIn(left, ada.id, { iat: second + 1 }),
      tokenIn(left, bea.id, { iat: second - 30 }),
      tokenIn(other, ada.id, { iat: second - 30 }),
      ada.token,
      bea.token,
    ];
    expect((await b.as(before, '/v1/me')).status).toBe(200);
    await revokeMembership(a, ada.id, left, at);
    expect((await a.as(before, '/v1/me')).body.code).toBe('token_revoked');
    expect(await refusalOf(b, before)).toBe('token_revoked');
    const restarted = await startApp(clerk, {}, a.database);
    for (const app of [a, b, restarted]) {
      for (const token of refused) expect((await app.as(token, '/v1/me')).body.code).toBe('token_revoked');
      for (const token of served) expect((await app.as(token, '/v1/me')).status).toBe(200);
    }
  });

  it('is kept as long as a session token can live', async () => {
    const a = await startApp(clerk, { CLERK_MAX_TOKEN_LIFETIME_S: '1000' });
    const [ada, tenant] = [await someone(a), aTenantId()];
    await revokeMembership(a, ada.id, tenant, Date.now());
    const kept = await keptOf(a, 'membership', `${ada.id}/${tenant}`);
    expect(Math.abs(kept - 1005)).toBeLessThan(30);
  });

  it('has a mark that only moves on, in whichever order the changes come', async () => {
    const a = await startApp(clerk);
    const [ada, tenant, now] = [await someone(a), aTenantId(), Date.now()];
    const second = Math.floor(now / 1000);
    await revokeMembership(a, ada.id, tenant, now);
    await revokeMembership(a, ada.id, tenant, now - 20_000);
    const codeOf = async (iat: number) => (await a.as(tokenIn(tenant, ada.id, { iat }), '/v1/me')).body.code;
    expect([await codeOf(second), await codeOf(second + 1)]).toEqual(['token_revoked', undefined]);
    await revokeMembership(a, ada.id, tenant, now + 2000);
    expect([await codeOf(second + 1), await codeOf(second + 3)]).toEqual(['token_revoked', undefined]);
  });

  it('is not revoked by a transaction that fails', async () => {
    const a = await startApp(clerk);
    const [ada, tenant] = [await someone(a), aTenantId()];
    const failing = transaction(a.orm.em.fork(), async (em) => {
      await a.app.get(Revocations).revokeMembership(em, { userId: ada.id, tenantId: tenant }, Date.now());
      await a.app.get(Revocations).revokeTenant(em, tenant, Date.now());
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await pause(700);
    expect((await a.as(tokenIn(tenant, ada.id), '/v1/me')).status).toBe(200);
  });
});

describe('a deletion', () => {
  it('is final, clears the profile, and nothing brings the user back', async () => {
    const a = await startApp(clerk);
    const ada = await someone(a);
    await tell(a, 'user.deleted', { object: 'user', id: ada.id, deleted: true });
    await tell(a, 'user.updated', { ...clerk.aUser({ id: ada.id }), updated_at: Date.now() + 60_000 });
    expect((await a.as(clerk.aToken({ sub: ada.id }), '/v1/me')).body.code).toBe('token_revoked');
    const [row] = await a.database.query('select email, name, deleted_at from users where clerk_id = $1', [ada.id]);
    expect(row).toEqual({ email: null, name: null, deleted_at: expect.any(Date) });
  });
});

describe('a clock that jumps ahead and back', () => {
  const HOURS_MS = 2 * 3_600_000;
  const REAL = [
    'setTimeout',
    'setInterval',
    'setImmediate',
    'clearTimeout',
    'clearInterval',
    'clearImmediate',
  ] as const;
  const aheadDuring = async <T>(work: () => Promise<T>): Promise<T> => {
    jest.useFakeTimers({
      now: Date.now() + HOURS_MS,
      doNotFake: [...REAL, 'performance', 'hrtime', 'nextTick', 'queueMicrotask'],
    });
    try {
      return await work();
    } finally {
      jest.useRealTimers();
    }
  };

  /** So many ids are missing that everything remembered is in doubt, and is loaded anew. */
  async function missChanges({ database }: TestApp): Promise<void> {
    await database.query("select setval('changes_id_seq', (select last_value + 20000 from changes_id_seq))");
    await database.query("insert into changes (topic, key) values ('nothing', '')");
    await pause(900);
  }

  async function revoked(app: TestApp): Promise<string[]> {
    const [ada, bea, tenant] = [await someone(app), await someone(app), aTenantId()];
    const inTenant = tokenIn(tenant, bea.id, { iat: secondsFromNow(-30) });
    expect((await app.as(inTenant, '/v1/me')).status).toBe(200);
    await end(app, ada);
    await revokeMembership(app, bea.id, tenant, Date.now());
    // until the change log has told this process as well
    await pause(700);
    return [ada.token, inTenant];
  }

  it('while the revocations are loaded anew brings none back', async () => {
    const a = await startApp(clerk);
    const tokens = await revoked(a);
    await aheadDuring(() => missChanges(a));
    for (const token of tokens) expect((await a.as(token, '/v1/me')).body.code).toBe('token_revoked');
  });

  it('while a process starts brings none back', async () => {
    const a = await startApp(clerk);
    const tokens = await revoked(a);
    const b = await aheadDuring(() => startApp(clerk, {}, a.database));
    for (const token of tokens) expect((await b.as(token, '/v1/me')).body.code).toBe('token_revoked');
  });
});

describe('a revocation reaches other instances', () => {
  it('when their wake-up connections are killed', async () => {
    const [a, b] = await pairOn(await createDatabase());
    for (let i = 0; i < 5; i++) {
      const ada = await someone(a, b);
      const killed = await a.database.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %' and datname = current_database()",
      );
      if (i === 0) expect(killed).toHaveLength(2);
      await end(a, ada);
      expect(await refusalOf(b, ada.token)).toBe('token_revoked');
    }
  });

  it('when their wake-up connection is cut without a word', async () => {
    const database = await createDatabase();
    const proxy = await DatabaseProxy.start(database.url);
    const a = await startApp(clerk, {}, database);
    const b = await startApp(clerk, { DATABASE_LISTEN_URL: proxy.url }, database);
    proxy.silence();
    for (let i = 0; i < 3; i++) {
      const ada = await someone(a, b);
      await end(a, ada);
      expect(await refusalOf(b, ada.token)).toBe('token_revoked');
    }
  });

  it('through a transaction pooler', async () => {
    const database = await createDatabase();
    const pooler = await startPgBouncer(database.url);
    if (!pooler) {
      console.warn('SKIPPED: there is no pgbouncer on this machine (apt-get install pgbouncer)');
      return;
    }
    const [a, b] = await pairOn(database, { DATABASE_URL: pooler.url, DATABASE_LISTEN_URL: database.url });
    for (let i = 0; i < 5; i++) {
      const ada = await someone(a, b);
      await setBanned(a, ada.id, true);
      expect(await refusalOf(b, ada.token)).toBe('token_revoked');
    }
    const [pooled] = await pairOn(database, { DATABASE_URL: pooler.url });
    const grace = await someone(pooled);
    await end(a, grace);
    expect(await refusalOf(pooled, grace.token)).toBe('token_revoked');
  });

  it('by the tables while the change log cannot be followed', async () => {
    const database = await createDatabase();
    const proxy = await DatabaseProxy.start(database.url);
    const a = await startApp(clerk, {}, database);
    const b = await startApp(clerk, { DATABASE_URL: proxy.url, DATABASE_LISTEN_URL: database.url }, database);
    const ada = await someone(a, b);
    proxy.holdAnswersWith('topic');
    await pause(2500);
    expect((await b.as(ada.token, '/v1/me')).status).toBe(200);
    await end(a, ada);
    expect((await b.as(ada.token, '/v1/me')).body.code).toBe('token_revoked');
    const [bea, gone, left] = [await someone(a, b), aTenantId(), aTenantId()];
    const [inGone, inLeft, inOther] = [gone, left, aTenantId()].map((id) => tokenIn(id, bea.id)) as [
      string,
      string,
      string,
    ];
    for (const token of [inGone, inLeft, inOther]) expect((await b.as(token, '/v1/me')).status).toBe(200);
    await revokeTenant(a, gone);
    await revokeMembership(a, bea.id, left, Date.now());
    for (const token of [inGone, inLeft]) expect((await b.as(token, '/v1/me')).body.code).toBe('token_revoked');
    for (const token of [inOther, bea.token]) expect((await b.as(token, '/v1/me')).status).toBe(200);
    proxy.release();
  });

  it('or their database is gone: then 200 ends within ten seconds of it, and 503 goes on until it is back', async () => {
    const database = await createDatabase();
    const proxy = await DatabaseProxy.start(database.url);
    const a = await startApp(clerk, {}, database);
    const b = await startApp(clerk, { DATABASE_URL: proxy.url }, database);
    const ada = await someone(a, b);
    proxy.cut();
    const gone = performance.now();
    await end(a, ada);
    let lastServedMs = 0;
    while (performance.now() - gone < 13_000) {
      const { status } = await b.as(ada.token, '/v1/me');
      if (status === 200) lastServedMs = performance.now() - gone;
      else expect(status).toBe(503);
      await pause(100);
    }
    expect(lastServedMs).toBeLessThan(10_000);
    proxy.mend();
    let answer = await b.as(ada.token, '/v1/me');
    while (answer.status === 503) {
      await pause(100);
      answer = await b.as(ada.token, '/v1/me');
    }
    expect(answer.body.code).toBe('token_revoked');
  });
});
