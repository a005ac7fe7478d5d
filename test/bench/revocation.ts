import { Client } from 'pg';
import { call } from '../support/http.ts';
import { startPgBouncer } from '../support/pgbouncer.ts';
import { DatabaseProxy } from '../support/proxy.ts';
import { type Bench, line, report, startServer } from './kit.ts';

const REVOCATIONS = 100;
const POLL_MS = 2;

/** From the acknowledgement of a revocation on one instance to the first 401 of another, which remembers the token. */
export async function benchRevocation(bench: Bench): Promise<void> {
  const { url } = bench.postgres;
  const silent = await DatabaseProxy.start(url);
  const pooler = await startPgBouncer(url);
  const a = await startServer('app guard', bench.env);
  const conditions: Record<string, [env: Record<string, string>, before?: () => Promise<void> | void]> = {
    'as it is': [{}],
    'wake-up connection killed': [{}, () => killWakeUps(bench)],
    'wake-up connection cut': [{ DATABASE_LISTEN_URL: silent.url }, () => silent.silence()],
    ...(pooler && { 'through PgBouncer, wake-ups direct': [{ DATABASE_URL: pooler.url, DATABASE_LISTEN_URL: url }] }),
    ...(pooler && { 'through PgBouncer alone': [{ DATABASE_URL: pooler.url }] }),
  };
  console.log(`\nRevoked on one instance, refused by another: ${REVOCATIONS} each, in ms (goal of p99: at most)`);
  for (const [name, [env, before]] of Object.entries(conditions)) {
    const b = await startServer('app guard', { ...bench.env, ...env });
    const taken: number[] = [];
    for (let i = 0; i < REVOCATIONS; i++) {
      const token = await someone(bench, i % 2 === 0 ? 'session' : 'ban');
      await call(`${b}/v1/me`, token.call);
      await before?.();
      taken.push(await measure(bench, a, b, token));
    }
    const sorted = taken.toSorted((one, other) => one - other);
    line(`${name}: median`, (sorted[REVOCATIONS / 2] ?? 0).toFixed(0));
    report(`${name}: p99`, sorted[Math.floor(REVOCATIONS * 0.99)] ?? 0, 1000, true);
  }
  if (!pooler) console.log('  SKIPPED: there is no pgbouncer on this machine');
}

type Someone = { call: { headers: Record<string, string> }; event: Parameters<Bench['clerk']['deliver']>[1] };

async function someone({ clerk }: Bench, how: 'session' | 'ban'): Promise<Someone> {
  const user = clerk.aUser();
  const sid = `sess_${user.id.slice(5)}`;
  const token = clerk.aToken({ sub: user.id, sid, exp: Math.floor(Date.now() / 1000) + 600 });
  const event =
    how === 'session'
      ? clerk.anEvent('session.revoked', { object: 'session', id: sid, user_id: user.id, updated_at: Date.now() })
      : clerk.anEvent('user.updated', { ...user, banned: true, updated_at: Date.now() });
  return { call: { headers: { authorization: `Bearer ${token}` } }, event };
}

async function measure({ clerk }: Bench, a: string, b: string, { call: options, event }: Someone): Promise<number> {
  const { status } = await clerk.deliver(a, event);
  if (status !== 204) throw new Error(`The event was answered with ${status}`);
  const acknowledged = performance.now();
  for (;;) {
    if ((await call(`${b}/v1/me`, options)).status === 401) return performance.now() - acknowledged;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function killWakeUps({ postgres }: Bench): Promise<void> {
  const admin = new Client({ connectionString: postgres.adminUrl });
  await admin.connect();
  await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %'");
  await admin.end();
}
