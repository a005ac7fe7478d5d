/**
 * Runs a command with what stands in where nothing is configured: `node local/run.ts [--serve] COMMAND…`. PostgreSQL
 * when DATABASE_URL is unset; with --serve also a free port, and the local Clerk when no CLERK_* setting is there; without
 * it, the settings of the local Clerk that another command serves.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { environment, LOOPBACK_HOSTS, namesOf } from '../src/config/settings.ts';
import { SEEDED_ORGANIZATIONS, SEEDED_USERS } from './clerk/people.ts';
import { runningClerk } from './clerk/running.ts';
import { type RunningClerk, startClerk } from './clerk/start.ts';
import { LOCAL, ROOT } from './paths.ts';
import { freePort, isFree } from './ports.ts';
import { startPostgres } from './postgres.ts';

const DEFAULT_PORT = 3000;
const READY_POLL_MS = 200;
const READY_TIMEOUT_MS = 1000;

const [flag, ...rest] = process.argv.slice(2);
const serves = flag === '--serve';
const command = serves ? rest : process.argv.slice(2);

const NO_CLERK = 'No local Clerk is running: npm start in another terminal brings one, or set the CLERK_* settings.';
const isBuilt = (part: string) => part.startsWith('dist/');
const isHelp = (part: string) => part === '--help' || part === '-h';

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());

try {
  process.exitCode = await run();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

async function run(): Promise<number> {
  if (existsSync(join(ROOT, '.env'))) process.loadEnvFile(join(ROOT, '.env'));
  const env = environment();
  const missing = serves ? undefined : command.find((part) => isBuilt(part) && !existsSync(join(ROOT, part)));
  if (missing) throw new Error(`${missing} is not there yet: npm run build makes it, or npm start`);
  if (env.NODE_ENV === 'production') return execute(env);
  const needsClerk = serves && wantsLocalClerk(env);
  if (serves && env.PORT && !(await isFree(Number(env.PORT))))
    throw new Error(`PORT: ${env.PORT} is already in use; set another, or stop what listens there`);
  if (!serves && namesOf('CLERK_').length === 0) Object.assign(env, await servedClerk());
  if (serves) env.PORT ??= String(await freePort(DEFAULT_PORT));
  const postgres = env.DATABASE_URL ? undefined : await startPostgres(join(LOCAL, 'postgres'));
  if (postgres) Object.assign(env, { DATABASE_URL: postgres.url, DATABASE_OWNER_URL: postgres.ownerUrl });
  const clerk = needsClerk ? await startClerk(`${addressOf(env)}/webhooks/clerk`) : undefined;
  if (clerk) Object.assign(env, clerk.env);
  try {
    return await execute(env, clerk);
  } finally {
    clerk?.close();
    await postgres?.stop();
  }
}

/** Only where nothing at all speaks of a real Clerk, and nobody else can reach it: it signs anybody in. */
function wantsLocalClerk(env: Record<string, string>): boolean {
  const names = namesOf('CLERK_');
  if (names.some((name) => env[name])) return false;
  if (names.length > 0)
    throw new Error(`${names.join(', ')}: is there but empty; fill it in, or take it away to get the local Clerk`);
  if (env.HOST && !LOOPBACK_HOSTS.includes(env.HOST))
    throw new Error(
      'HOST: the local Clerk signs anybody in, so it starts only on the loopback; set HOST to 127.0.0.1, or the CLERK_* settings of your instance',
    );
  return true;
}

/** The settings of the local Clerk that another command serves, without which what is built can only tell its help. */
async function servedClerk(): Promise<Record<string, string>> {
  const running = await runningClerk(join(LOCAL, 'clerk'));
  const needsClerk = command.some(isBuilt) && !command.some(isHelp);
  if (needsClerk && !running.CLERK_SECRET_KEY) throw new Error(NO_CLERK);
  return running;
}

/** Runs the command to its end and answers its exit code. */
async function execute(env: Record<string, string>, clerk?: RunningClerk): Promise<number> {
  if (stopping.signal.aborted) return 1;
  const [program = '', ...args] = command;
  const child = spawn(program, args, { env, stdio: 'inherit' });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject).once('exit', (code) => resolve(code ?? 1));
  });
  stopping.signal.addEventListener('abort', () => child.kill('SIGTERM'));
  if (serves) void greet(env, clerk, ended);
  return ended;
}

async function greet(env: Record<string, string>, clerk: RunningClerk | undefined, ended: Promise<number>) {
  const api = addressOf(env);
  let over = false;
  const isOver = () => (over = true);
  void ended.then(isOver, isOver);
  while (!over && !(await isReady(api))) await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  if (over) return;
  console.log(`\nGatehouse is ready at ${api} (documentation at ${api}/docs)`);
  if (!clerk) return;
  const minted = (what: string, facts: string) =>
    `"Authorization: Bearer $(curl -s ${clerk.origin}/local/${what} -H 'x-local-secret: ${clerk.secret}' ${facts})"`;
  const curl = (path: string, what: string, facts: string) => `curl -s ${api}${path} -H ${minted(what, facts)}`;
  const [user, organization] = [SEEDED_USERS[0]?.id, SEEDED_ORGANIZATIONS[0]?.id];
  console.log(`The LOCAL CLERK is on: it signs anybody in on this machine, without a password.
Pick a person at ${clerk.origin}/#secret=${clerk.secret}&api=${encodeURIComponent(api)}
or try one of these lines: signed in, with an organization active, and with a new API key of the organization:\n
${curl('/v1/me', 'tokens', `-d user_id=${user}`)}\n
${curl('/v1/projects', 'tokens', `-d user_id=${user} -d organization_id=${organization}`)}\n
${curl('/v1/projects', 'api-keys', `-d subject=${organization} -d scopes=projects:read,projects:write`)}\n
What changes a person there is sent to ${api}/webhooks/clerk as Clerk sends its events.\n`);
}

/** Where this machine reaches the server. */
function addressOf({ HOST, PORT }: Record<string, string>): string {
  const host = HOST && LOOPBACK_HOSTS.includes(HOST) ? HOST : '127.0.0.1';
  return `http://${host.includes(':') ? `[${host}]` : host}:${PORT ?? DEFAULT_PORT}`;
}

async function isReady(api: string): Promise<boolean> {
  try {
    return (await fetch(`${api}/readyz`, { signal: AbortSignal.timeout(READY_TIMEOUT_MS) })).ok;
  } catch {
    return false;
  }
}
