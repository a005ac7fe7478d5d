import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { environmentOf } from '../support/app.ts';
import { TestClerk } from '../support/clerk.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { ServerProcess } from '../support/server.ts';

const EVERY_MS = 40;
/** Two looks of a load balancer. */
const SERVED_MS = 2000;

let clerk: TestClerk;
let database: TestDatabase;
let server: ServerProcess;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

beforeEach(async () => {
  database = await createDatabase();
  server = await ServerProcess.start({
    ...environmentOf(clerk, database),
    ...clerk.productionEnv,
    HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
  });
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

interface Round {
  atMs: number;
  /** Of `/readyz`, `/v1/me` and a signed event; `refused` for a connection. */
  answers: (number | 'refused')[];
}

/** Asks on new connections, round after round, until the process has ended. */
async function roundsUntilTheEnd(): Promise<Round[]> {
  const began = performance.now();
  const rounds: Promise<Round>[] = [];
  const headers = { connection: 'close' };
  const token = clerk.aToken({ sub: clerk.aUser().id });
  const refused = () => 'refused' as const;
  while (server.isRunning) {
    const atMs = performance.now() - began;
    const asked = [
      server.call('/readyz', { headers }),
      server.call('/v1/me', { headers: { ...headers, authorization: `Bearer ${token}` } }),
      clerk.deliver(server.url, clerk.anEvent('user.created', clerk.aUser()), { headers }),
    ];
    const answers = asked.map((each) => each.then(({ status }) => status, refused));
    rounds.push(Promise.all(answers).then((statuses) => ({ atMs, answers: statuses })));
    await pause(EVERY_MS);
  }
  return Promise.all(rounds);
}

describe('SIGTERM in production', () => {
  it('is told by /readyz, while new connections are served; then the process ends', async () => {
    const stopped = server.stop();
    await server.until('/readyz', 503);
    const rounds = await roundsUntilTheEnd();
    const first = rounds.findIndex(({ answers }) => answers.includes('refused'));
    expect(rounds[first]?.atMs).toBeGreaterThan(SERVED_MS);
    const served = rounds.slice(0, first);
    for (const { answers } of served) expect(answers).toEqual([503, 200, 204]);
    for (const { answers } of rounds)
      for (const answer of answers) expect([503, 200, 204, 'refused']).toContain(answer);
    const [inbox] = await database.query("select count(*)::int as events from inbox where status = 'processed'");
    const taken = rounds.filter(({ answers }) => answers[2] === 204);
    expect(inbox).toEqual({ events: taken.length });
    expect(await stopped).toBe(0);
    expect(server.output).toMatch(/"msg":"Stopping: SIGTERM received/);
  });

  it('ends sooner with a second signal, and not because one is passed on twice', async () => {
    const stopped = server.stop();
    void server.stop();
    await server.until('/readyz', 503);
    await pause(1000);
    expect((await server.call('/readyz')).status).toBe(503);
    const began = performance.now();
    void server.stop('SIGINT');
    expect(await stopped).toBe(0);
    expect(performance.now() - began).toBeLessThan(SERVED_MS);
  });
});
