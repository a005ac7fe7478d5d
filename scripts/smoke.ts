/**
 * Starts the built server as in production, on a PostgreSQL of its own that the owner has migrated, with Clerk out of
 * reach, and makes one signed-in request: `npm run build && node scripts/smoke.ts`. Nothing stays behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createSigningKey, signToken } from '../local/clerk/signing-key.ts';
import { freePort } from '../local/ports.ts';
import { type LocalPostgres, startPostgres } from '../local/postgres.ts';

const DEADLINE_MS = 30_000;
const POLL_MS = 100;
const ROOT = join(import.meta.dirname, '..');
const PATH = [join(ROOT, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
const ISSUER = 'https://clerk.example.com';
const PARTY = 'https://app.example.com';

/** The exit code, or the signal. */
type Ending = [number | null, NodeJS.Signals | null];

const key = createSigningKey();
const children = new Set<ChildProcess>();
let interrupted = false;
let output = '';

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    interrupted = true;
    for (const child of children) child.kill('SIGKILL');
  });

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-smoke-'));
let postgres: LocalPostgres | undefined;
try {
  // as root, PostgreSQL runs as nobody, who must get in
  chmodSync(folder, 0o755);
  postgres = await step('PostgreSQL is up', () => startPostgres(folder));
  await smoke(postgres);
} catch (error) {
  console.error(`smoke: FAILED: ${(error as Error).message}\n${output}`);
  process.exitCode = 1;
} finally {
  for (const child of children) child.kill('SIGKILL');
  await postgres?.stop({ force: true });
  rmSync(folder, { recursive: true, force: true });
}

async function smoke({ url, ownerUrl }: LocalPostgres): Promise<void> {
  await step('the owner has migrated', () => migrate(ownerUrl));
  const port = String(await freePort());
  const server = run(process.execPath, ['dist/src/main.js'], {
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: port,
    DATABASE_URL: url,
    CLERK_SECRET_KEY: `sk_test_${randomBytes(24).toString('hex')}`,
    CLERK_JWT_KEY: key.publicKeyPem.replaceAll('\n', '\\n'),
    CLERK_ISSUER: ISSUER,
    CLERK_AUTHORIZED_PARTIES: PARTY,
    CLERK_API_URL: 'http://127.0.0.1:9',
  });
  const address = `http://127.0.0.1:${port}`;
  await step('the server is ready', () => untilReady(server, address));
  await step('GET /v1/me answers a signed-in user with 200', () => checkSignedIn(address));
  await step('GET /v1/me answers nobody with 401', () => checkNobody(address));
  await step('SIGTERM ends the server', () => checkShutdown(server));
}

async function step<T>(fact: string, work: () => Promise<T>): Promise<T> {
  if (interrupted) throw new Error('interrupted');
  const result = await work();
  console.log(`smoke: ${fact}`);
  return result;
}

async function migrate(ownerUrl: string): Promise<void> {
  const [code] = await ended(run('mikro-orm', ['migration:up'], { DATABASE_URL: ownerUrl }));
  if (code !== 0) throw new Error(`migration:up ended with ${code}`);
}

async function untilReady(server: ChildProcess, address: string): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await isReady(address))) {
    if (server.exitCode !== null || server.signalCode !== null) throw new Error('the server ended');
    if (Date.now() > deadline) throw new Error('the server does not become ready');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function isReady(address: string): Promise<boolean> {
  try {
    return (await get(`${address}/readyz`)).ok;
  } catch {
    return false;
  }
}

async function checkSignedIn(address: string): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  const sub = `user_${randomBytes(12).toString('hex')}`;
  const token = signToken(key, {
    iss: ISSUER,
    sub,
    sid: `sess_${randomBytes(12).toString('hex')}`,
    azp: PARTY,
    iat: now,
    nbf: now - 10,
    exp: now + 60,
    jti: randomBytes(10).toString('hex'),
    v: 2,
    fva: [0, -1],
    sts: 'active',
  });
  const answer = await get(`${address}/v1/me`, { authorization: `Bearer ${token}` });
  const body = await answer.text();
  if (answer.status !== 200) throw new Error(`GET /v1/me: ${answer.status} ${body}`);
  const { user } = JSON.parse(body) as { user?: { clerkId?: string } };
  if (user?.clerkId !== sub) throw new Error(`GET /v1/me answers somebody else: ${body}`);
}

async function checkNobody(address: string): Promise<void> {
  const { status, headers } = await get(`${address}/v1/me`);
  const type = headers.get('content-type') ?? 'no content type';
  if (status !== 401 || !type.startsWith('application/problem+json'))
    throw new Error(`GET /v1/me without a token: ${status} ${type}`);
}

async function checkShutdown(server: ChildProcess): Promise<void> {
  server.kill('SIGTERM');
  const [code, signal] = await ended(server);
  if (code !== 0 && signal !== 'SIGTERM') throw new Error(`the server ended with ${code ?? signal}`);
}

function get(url: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { headers, signal: AbortSignal.timeout(DEADLINE_MS) });
}

/** What it writes is shown only if something fails. */
function run(command: string, args: string[], env: Record<string, string>): ChildProcess {
  const child = spawn(command, args, { cwd: ROOT, env: { PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  return child;
}

async function ended(child: ChildProcess): Promise<Ending> {
  if (child.exitCode !== null || child.signalCode !== null) return [child.exitCode, child.signalCode];
  return (await once(child, 'exit', { signal: AbortSignal.timeout(DEADLINE_MS) })) as Ending;
}
