import { startApp } from './app.ts';
import { TestClerk } from './clerk.ts';
import { ClerkProxy } from './clerk-proxy.ts';
import { anAdmin, meet } from './tenants.ts';

const USERS = 8;
const CLERK_MS = 10;
const WINDOW_MS = 10_000;
/** What Clerk allows a production instance in a window of 10 s. */
export const CLERK_LIMIT = 1000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The most calls in any window. */
function mostInWindow(times: number[]): number {
  return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + WINDOW_MS).length));
}

/** Eight users ask in loops for what Clerk must be asked for; meanwhile others do what they must be able to. */
export async function greed({ loopMs, rounds, loops: count }: { loopMs: number; rounds: number; loops: number }) {
  const clerk = await TestClerk.start();
  const proxy = await ClerkProxy.start(clerk.origin);
  proxy.meddle = () => pause(CLERK_MS);
  const app = await startApp(clerk, { ...clerk.productionEnv, CLERK_API_URL: proxy.url });
  const greedy = Array.from({ length: USERS }, () => {
    const user = clerk.aUser({ create_organization_enabled: false });
    return () => clerk.aToken({ sub: user.id });
  });
  for (const token of greedy) await meet(app, token());
  const theirs = anAdmin(clerk);
  await meet(app, theirs.token());
  clerk.anApiKey({ subject: theirs.organization.id });
  const end = performance.now() + loopMs;
  let isDone = false;
  const loops = greedy.flatMap((token) =>
    Array.from({ length: count }, async () => {
      while (performance.now() < end || !isDone) {
        await app.as(token(), '/v1/tenants', { method: 'POST', body: { name: 'x' } });
        await app.as(token(), '/v1/me/sessions');
      }
    }),
  );
  await pause(loopMs / 4);
  const failed: unknown[] = [];
  const act = async (expected: number, path: string, token: string, method = 'GET', body?: object) => {
    const { status } = await app.as(token, path, { method, body });
    if (status !== expected) failed.push([method, path, status]);
  };
  for (let i = 0; i < rounds; i++) {
    const key = clerk.anApiKey({ subject: theirs.organization.id });
    const session = clerk.directory.sessions.start(theirs.user.id);
    await act(200, '/v1/tenant/api-keys', theirs.token());
    await act(204, `/v1/tenant/api-keys/${key.id}`, theirs.token(), 'DELETE');
    await act(200, '/v1/tenant', theirs.token(), 'PATCH', { name: `Acme ${i}` });
    await act(204, `/v1/me/sessions/${session.id}`, theirs.token(), 'DELETE');
  }
  await act(200, '/v1/projects', clerk.anApiKey({ subject: theirs.organization.id, scopes: ['projects:read'] }).secret);
  const { id: sub } = clerk.aUser();
  const { body } = await app.as(clerk.aToken({ sub }), '/v1/me');
  isDone = true;
  await Promise.all(loops);
  return {
    failed,
    profile: (body.user as { email: unknown }).email === `${sub}@example.com`,
    calls: proxy.calls.length,
    most: mostInWindow(proxy.calls.map(({ at }) => at)),
  };
}
