import { TestClerk } from '../support/clerk.ts';
import { call } from '../support/http.ts';
import {
  type Bench,
  CONNECTIONS,
  cycle,
  line,
  load,
  median,
  report,
  startServer,
  type Tokens,
  takeTurns,
  WARM_UP_ROUNDS,
} from './kit.ts';

const ROUNDS = 9;
const REQUESTS = 3000;
const P99_ROUNDS = 5;
const P99_RATE = 500;
const P99_SECONDS = 3;

/** What the guard costs a request, and what Clerk's absence costs those who are known. */
export async function benchGuard({ clerk, env }: Bench): Promise<void> {
  await rates(clerk, (variant) => startServer(variant, { ...env, CLERK_JWT_KEY: clerk.key.publicKeyPem }, 'pinned'));
  await latencies(clerk, await startServer('app guard', env, 'pinned'));
}

/** A process for each variant, so that each is as warm as the others. */
async function rates(clerk: TestClerk, start: (variant: string) => Promise<string>): Promise<void> {
  const users = Array.from({ length: 100 }, () => clerk.aUser().id);
  const lasting = { exp: Math.floor(Date.now() / 1000) + 1800 };
  const known = cycle(users.map((sub) => clerk.aToken({ sub, ...lasting })));
  const amount = (WARM_UP_ROUNDS + ROUNDS) * REQUESTS;
  console.log(`Signing ${amount} tokens, each to be seen once…`);
  const unseen = cycle(Array.from({ length: amount }, (_, i) => clerk.aToken({ sub: users[i % 100], ...lasting })));
  const variants: [name: string, server: string, path: string, tokens: Tokens][] = [
    ['bare route, no guard', await start('bare none'), '/bench', known],
    ['bare route, guard, tokens known', await start('bare guard'), '/bench', known],
    ['bare route, guard, every token new', await start('bare guard'), '/bench', unseen],
    ['bare route, SDK authenticateRequest', await start('bare sdk'), '/bench', known],
    ['application, no guard', await start('app none'), '/bench', known],
    ['application, guard, tokens known', await start('app guard'), '/bench', known],
    ['application, GET /v1/me', await start('app guard'), '/v1/me', known],
  ];
  const measures = variants.map(([name, server, path, tokens]) => [name, () => rate(server + path, tokens)] as const);
  const measured = await takeTurns(Object.fromEntries(measures), ROUNDS);
  const [bare = 0, bareWarm = 0, cold = 0, sdk = 0, none = 0, warm = 0, me = 0] = Object.values(measured).map(median);
  console.log(`\nRequests per second (median of ${ROUNDS} rounds of ${REQUESTS}, ${CONNECTIONS} connections)`);
  for (const [name, values] of Object.entries(measured)) line(name, median(values).toFixed(0));
  console.log('\nRatios (goal)');
  report('application: guard / no guard', warm / none, 0.9);
  report('application: GET /v1/me / no guard', me / none, 0.7);
  report('bare: every token new / SDK', cold / sdk, 3);
  line('bare: guard / no guard', (bareWarm / bare).toFixed(2));
}

/** Known users, while strangers bring made-up key ids and first requests: with Clerk there, and with Clerk away. */
async function latencies(clerk: TestClerk, server: string): Promise<void> {
  const lasting = { exp: Math.floor(Date.now() / 1000) + 1800 };
  const known = cycle(Array.from({ length: 100 }, () => clerk.aToken({ sub: clerk.aUser().id, ...lasting })));
  // signed beforehand: the load shares its process with this Clerk
  const newcomers = cycle(Array.from({ length: 1000 }, () => clerk.aToken(lasting)));
  const madeUp = cycle(Array.from({ length: 1000 }, (_, i) => clerk.aToken(lasting, { kid: `ins_${i}` })));
  await rate(`${server}/v1/me`, known);
  const behaviours = ['answers', 'fails', 'hangs', 'refuses'] as const;
  const variants = Object.fromEntries(
    behaviours.map((behaviour) => [
      behaviour,
      async () => {
        clerk.behaviour = behaviour;
        const strangers = setInterval(() => {
          const headers = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
          for (const token of [newcomers(), madeUp()])
            call(`${server}/v1/me`, headers(token)).catch((error: Error) =>
              console.error(`a stranger: ${error.message}`),
            );
        }, 100);
        const p99 = await p99Of(`${server}/v1/me`, known);
        clearInterval(strangers);
        return p99;
      },
    ]),
  );
  const measured = await takeTurns(variants, P99_ROUNDS);
  console.log(
    `\np99 of GET /v1/me for known users at ${P99_RATE}/s, in ms (median of ${P99_ROUNDS} rounds of ${P99_SECONDS} s)`,
  );
  for (const [name, values] of Object.entries(measured)) line(`Clerk ${name}`, median(values).toFixed(1));
  const base = median(measured.answers ?? []);
  console.log('\nRatios to Clerk answering (goal: at most)');
  for (const name of ['fails', 'hangs', 'refuses'])
    report(`Clerk ${name}`, median(measured[name] ?? []) / base, 1.2, true);
}

/** Answers per second, until the last one: autocannon itself ends on whole seconds. */
async function rate(url: string, tokens: Tokens): Promise<number> {
  const began = performance.now();
  let lastAt = began;
  await load(url, signedInAs(tokens), { amount: REQUESTS }, () => (lastAt = performance.now()));
  return REQUESTS / ((lastAt - began) / 1000);
}

async function p99Of(url: string, tokens: Tokens): Promise<number> {
  const { latency } = await load(url, signedInAs(tokens), { duration: P99_SECONDS, overallRate: P99_RATE });
  return latency.p99;
}

/** Each request with the next token. */
function signedInAs(tokens: Tokens) {
  return (request: object) => ({ ...request, headers: { authorization: `Bearer ${tokens()}` } });
}
