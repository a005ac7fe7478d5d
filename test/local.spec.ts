import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createClerkClient } from '@clerk/backend';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { LocalClerk } from '../local/clerk/local-clerk.ts';
import { SEEDED_ORGANIZATIONS, SEEDED_USERS } from '../local/clerk/people.ts';
import { createSigningKey, keptSigningKey, signToken } from '../local/clerk/signing-key.ts';
import { freePort } from '../local/ports.ts';
import { onClose } from './support/closing.ts';
import { createDatabase } from './support/database.ts';
import { type Call, call } from './support/http.ts';

const ROOT = join(import.meta.dirname, '..');
const PATIENCE_MS = 30_000;
const [ADA, GRACE, ALAN] = SEEDED_USERS.map(({ id }) => id) as [string, string, string];
const [ACME, GLOBEX] = SEEDED_ORGANIZATIONS.map(({ id }) => id) as [string, string];

/** A folder that is gone after the tests, which PostgreSQL can enter as another user. */
function aFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-local-'));
  chmodSync(folder, 0o755);
  onClose(async () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('the local Clerk', () => {
  const key = createSigningKey();
  let clerk: LocalClerk;
  let origin: string;
  let host: string;

  beforeAll(async () => {
    const server = createServer((request, response) => clerk.handle(request, response));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onClose(async () => server.close().closeAllConnections());
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    host = new URL(origin).host;
    clerk = new LocalClerk({ origin, key, users: SEEDED_USERS, organizations: SEEDED_ORGANIZATIONS });
  });

  const ask = (path: string, options?: Call) => call(`${origin}${path}`, options);
  const asServer = (path: string, method = 'GET') =>
    ask(path, { method, headers: { authorization: `Bearer ${clerk.secretKey}` } });
  const asPage = (path: string, { method, body, headers }: Call = {}) =>
    ask(path, { method, body, headers: { 'x-local-secret': clerk.pageSecret, ...headers } });

  it.each([
    ['a name that was bound to this machine', () => 'attacker.example.com'],
    ['such a name with the port', () => host.replace('127.0.0.1', 'attacker.example.com')],
    ['another name of the loopback', () => host.replace('127.0.0.1', 'localhost')],
    ['no port', () => '127.0.0.1'],
    ['another port', () => '127.0.0.1:1'],
  ])('answers 421 to a Host with %s', async (_what, otherHost) => {
    const headers = {
      host: otherHost(),
      'x-local-secret': clerk.pageSecret,
      authorization: `Bearer ${clerk.secretKey}`,
    };
    for (const path of ['/', '/page.js', '/local/people', '/v1/users', '/nothing'])
      expect([path, (await ask(path, { headers })).status]).toEqual([path, 421]);
  });

  it.each([
    ['a foreign origin', () => ({ origin: 'https://attacker.example.com' })],
    ['an opaque origin', () => ({ origin: 'null' })],
    ['the same machine on another port', () => ({ origin: 'http://127.0.0.1:1' })],
    ['the same port by another name', () => ({ origin: origin.replace('127.0.0.1', 'localhost') })],
    ['a wrong secret', () => ({ 'x-local-secret': 'x'.repeat(clerk.pageSecret.length) })],
    ['an empty secret', () => ({ 'x-local-secret': '' })],
    ['the secret key instead', () => ({ 'x-local-secret': clerk.secretKey })],
  ])('shows nothing and signs nobody in for %s', async (_what, headers) => {
    const answers = [
      await asPage('/local/people', { headers: headers() }),
      await asPage('/local/tokens', { method: 'POST', body: `user_id=${ADA}`, headers: headers() }),
    ];
    for (const { status, body } of answers)
      expect({ status, body }).toMatchObject({ status: 403, body: { errors: [{ code: 'authorization_invalid' }] } });
  });

  it('shows nothing and signs nobody in without the secret, wherever else it is', async () => {
    const query = `secret=${clerk.pageSecret}&x-local-secret=${clerk.pageSecret}`;
    expect((await ask(`/local/people?${query}`)).status).toBe(403);
    const body = `user_id=${ADA}&${query}`;
    expect((await ask(`/local/tokens?${query}`, { method: 'POST', body })).status).toBe(403);
  });

  it.each([
    ['nothing', () => undefined],
    ['another key', () => 'Bearer sk_test_another'],
    ['the key alone', () => clerk.secretKey],
    ['the secret of the page', () => `Bearer ${clerk.pageSecret}`],
    ['a session token', () => `Bearer ${clerk.mint(ADA)}`],
  ])("refuses the Backend API with %s for a key, in Clerk's form", async (_what, authorization) => {
    const given = authorization();
    for (const path of ['/v1/users', `/v1/users/${ADA}`, '/v1/jwks', '/v1/nothing']) {
      const { status, body } = await ask(path, { headers: given ? { authorization: given } : {} });
      expect(status).toBe(401);
      expect(body).toEqual({
        errors: [
          { code: 'clerk_key_invalid', message: expect.any(String), long_message: expect.any(String), meta: {} },
        ],
        clerk_trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      });
    }
  });

  it.each([
    ['GET', '/v1/organization_roles'],
    ['POST', '/v1/organizations/org_x/domains'],
    ['GET', '/v1/users/count/more'],
    ['GET', '/nothing/here'],
    ['DELETE', '/local/people'],
    ['GET', '/local/tokens'],
  ])('says that it has no %s %s', async (method, path) => {
    const headers = { authorization: `Bearer ${clerk.secretKey}` };
    const { status, body } = await asPage(path, { method, headers });
    expect(status).toBe(501);
    expect(body.errors).toMatchObject([
      { code: 'not_implemented', message: expect.stringContaining(`${method} ${path}`) },
    ]);
  });

  it('answers JSON as application/json without a charset, which the SDK would not read', async () => {
    const answers = [
      ...(await Promise.all(
        ['/v1/users', '/v1/users/count', `/v1/users/${ADA}`, '/v1/users/user_x', '/v1/jwks'].map((path) =>
          asServer(path),
        ),
      )),
      await asServer('/v1/nothing'),
      await ask('/v1/users'),
      await ask('/local/people'),
      await asPage('/local/people'),
      await ask('/', { headers: { host: 'attacker.example.com' } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 404, 200, 501, 401, 403, 200, 421]);
    for (const { headers } of answers) expect(headers['content-type']).toBe('application/json');
  });

  it('signs a person in for who holds the secret, from the page or from a shell', async () => {
    for (const headers of [{}, { origin }] as Record<string, string>[]) {
      const { status, body } = await asPage('/local/tokens', { method: 'POST', body: `user_id=${ADA}`, headers });
      expect(status).toBe(200);
      expect(JSON.parse(Buffer.from(String(body.text).split('.')[1] ?? '', 'base64url').toString())).toMatchObject({
        iss: origin,
        sub: ADA,
      });
    }
  });

  it.each([
    ['nobody', ''],
    ['a stranger', 'user_id=user_x'],
    ['a person in an organization that is not theirs', `user_id=${ADA}&organization_id=${GLOBEX}`],
    ['a person in no organization', `user_id=${ADA}&organization_id=org_x`],
  ])('signs in no token for %s', async (_who, body) => {
    const answer = await asPage('/local/tokens', { method: 'POST', body });
    expect([answer.status, answer.body.errors]).toMatchObject([404, [{ code: 'resource_not_found' }]]);
  });

  it('serves its page to who has no secret yet, and no other file', async () => {
    expect((await ask('/')).headers['content-type']).toBe('text/html');
    expect((await ask('/page.js')).headers['content-type']).toBe('text/javascript');
    for (const path of ['/people.ts', '/../paths.ts', '/%2e%2e/paths.ts', '/toString', '/__proto__'])
      expect((await ask(path)).status).toBe(501);
  });

  describe("to Clerk's own SDK", () => {
    const sdk = (secretKey = clerk.secretKey) =>
      createClerkClient({
        secretKey,
        publishableKey: clerk.publishableKey,
        apiUrl: origin,
        telemetry: { disabled: true },
      });
    const signedIn = (token: string) =>
      sdk().authenticateRequest(
        new Request('http://127.0.0.1:3000/v1/me', { headers: { authorization: `Bearer ${token}` } }),
      );

    it('lists, counts and shows users', async () => {
      const { data, totalCount } = await sdk().users.getUserList();
      expect(new Set(data.map(({ id }) => id))).toEqual(new Set([ADA, GRACE, ALAN]));
      expect(totalCount).toBe(3);
      expect(await sdk().users.getCount()).toBe(3);
      const ada = await sdk().users.getUser(ADA);
      expect([ada.id, ada.fullName, ada.primaryEmailAddress?.emailAddress]).toEqual([
        ADA,
        'Ada Example',
        'ada@example.com',
      ]);
    });

    it('filters the list and its count alike, and pages', async () => {
      const { data, totalCount } = await sdk().users.getUserList({
        emailAddress: ['grace@example.com', 'x@example.com'],
      });
      expect([data.map(({ id }) => id), totalCount]).toEqual([[GRACE], 1]);
      expect(await sdk().users.getCount({ userId: [ADA, ALAN] })).toBe(2);
      const pages = await Promise.all([0, 2].map((offset) => sdk().users.getUserList({ limit: 2, offset })));
      expect(pages.map((page) => page.data.length)).toEqual([2, 1]);
      expect(new Set(pages.flatMap((page) => page.data.map(({ id }) => id))).size).toBe(3);
    });

    it.each([
      [
        'an unknown user',
        () => sdk().users.getUser('user_x'),
        { status: 404, errors: [{ code: 'resource_not_found' }] },
      ],
      [
        'a wrong key',
        () => sdk('sk_test_wrong').users.getUser(ADA),
        { status: 401, errors: [{ code: 'clerk_key_invalid' }] },
      ],
      [
        'what it does not have',
        () => sdk().invitations.getInvitationList(),
        { status: 501, errors: [{ code: 'not_implemented' }] },
      ],
    ])("is Clerk's error for %s", async (_what, work, expected) => {
      const error = await (work() as Promise<unknown>).catch(
        (thrown: unknown) => thrown as { constructor: { name: string } },
      );
      expect(error).toMatchObject({
        ...expected,
        clerkError: true,
        clerkTraceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      });
      expect((error as Error).constructor.name).toBe('ClerkAPIResponseError');
    });

    it('mints tokens that it accepts, with the organization, role and permissions', async () => {
      const nowhere = await signedIn(clerk.mint(ADA));
      expect(nowhere.toAuth()).toMatchObject({ userId: ADA, orgId: undefined });
      const admin = (await signedIn(clerk.mint(ADA, ACME))).toAuth();
      expect(admin).toMatchObject({ userId: ADA, orgId: ACME, orgSlug: 'acme', orgRole: 'org:admin' });
      const member = (await signedIn(clerk.mint(GRACE, ACME))).toAuth();
      expect(member).toMatchObject({ userId: GRACE, orgRole: 'org:member' });
      const may = (auth: typeof admin) =>
        ['org:projects:read', 'org:projects:write'].map((permission) => auth?.has({ permission }));
      expect([may(admin), may(member)]).toEqual([
        [true, true],
        [true, false],
      ]);
    });

    it.each([
      ['signed by somebody else', () => signToken({ ...createSigningKey(), kid: key.kid }, claimsOf(clerk.mint(ADA)))],
      ['expired', () => signToken(key, { ...claimsOf(clerk.mint(ADA)), exp: 1 })],
    ])('does not make it accept a token that is %s', async (_what, token) => {
      expect((await signedIn(token())).isAuthenticated).toBe(false);
    });
  });
});

function claimsOf(token: string): object {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as object;
}

describe('the signing key of a clone', () => {
  it('is kept, by its kid, for its owner alone', () => {
    const file = join(aFolder(), 'clerk', 'signing-key.pem');
    const [first, second] = [keptSigningKey(file), keptSigningKey(file)];
    expect([second.kid, second.publicKeyPem]).toEqual([first.kid, first.publicKeyPem]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('is that of no other clone', () => {
    const [ours, theirs] = [keptSigningKey(join(aFolder(), 'key.pem')), keptSigningKey(join(aFolder(), 'key.pem'))];
    expect(ours.kid).not.toBe(theirs.kid);
    expect(ours.publicKeyPem).not.toBe(theirs.publicKeyPem);
  });
});

/** Prints the environment it was given. */
const TELL = [process.execPath, '-e', 'console.log(JSON.stringify(process.env))'];

const AND_WAIT = [process.execPath, '-e', 'console.log(JSON.stringify(process.env)); setInterval(() => {}, 1000)'];

/** A clone with state of its own, so that a running `npm start` is not disturbed. */
class Clone {
  readonly folder = aFolder();

  constructor() {
    mkdirSync(join(this.folder, 'src'));
    for (const part of ['local', 'src/config', 'package.json'])
      cpSync(join(ROOT, part), join(this.folder, part), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(this.folder, 'node_modules'));
  }

  get environment(): Record<string, string> {
    return { PATH: process.env.PATH ?? '', TMPDIR: this.folder };
  }

  node(script: string, parameters: string[] = [], env: Record<string, string> = {}): Run {
    const environment = { ...this.environment, ...env };
    return new Run(spawn(process.execPath, [script, ...parameters], { env: environment, cwd: this.folder }));
  }

  start(command: string[], env?: Record<string, string>): Run {
    return this.node('local/run.ts', command, env);
  }

  async run(command: string[], env?: Record<string, string>): Promise<Run> {
    const run = this.start(command, env);
    await run.ended;
    return run;
  }
}

/** A process of `local/run.ts` and what it says. */
class Run {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  /** Until then there may be more output. */
  readonly ended: Promise<unknown>;
  output = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'exit');
    this.ended = once(child, 'close');
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (this.output += String(chunk)));
    onClose(() => this.end());
  }

  get code(): number | null {
    return this.#child.exitCode;
  }

  /** What TELL printed. */
  get environment(): Record<string, string> {
    return JSON.parse(/^{.*}$/m.exec(this.output)?.[0] ?? '{}') as Record<string, string>;
  }

  /** As an operator ends it; the command that it runs has ended too. */
  async end(): Promise<void> {
    const patience = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
    this.#child.kill('SIGTERM');
    await this.#exited;
    clearTimeout(patience);
  }

  /** Waits until it has said that; answers the groups of the expression. */
  async says(expression: RegExp): Promise<string[]> {
    for (;;) {
      const found = expression.exec(this.output);
      if (found) return found.slice(1);
      if (this.code !== null) throw new Error(`It ended without saying ${expression}:\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const settingsOf = (run: Run, names: RegExp) => Object.keys(run.environment).filter((name) => names.test(name));
const clerkSettingsOf = (run: Run) => settingsOf(run, /^CLERK_/);
const broughtTo = (run: Run) => settingsOf(run, /^(CLERK_|DATABASE_|PORT$)/);

describe('local/run.ts', () => {
  let clone: Clone;
  let DATABASE_URL: string;

  beforeAll(async () => {
    clone = new Clone();
    DATABASE_URL = (await createDatabase()).url;
  });

  it.each(['0.0.0.0', '::', '192.168.0.10', 'gatehouse.example.com'])(
    'does not start the local Clerk where others could reach it: HOST=%s',
    async (HOST) => {
      const run = await clone.run(['--serve', ...TELL], { HOST, DATABASE_URL });
      expect(run.code).toBe(1);
      expect(run.output).toMatch(/^HOST: .*loopback/);
      expect(run.output).not.toMatch(/^\s+at |^{/m);
    },
  );

  it.each(['127.0.0.1', 'localhost', '::1', ''])('starts the local Clerk on the loopback: HOST=%s', async (HOST) => {
    const run = await clone.run(['--serve', ...TELL], { HOST, DATABASE_URL });
    expect(run.code).toBe(0);
    expect(run.environment).toMatchObject({
      DATABASE_URL,
      CLERK_SECRET_KEY: expect.stringMatching(/^sk_test_/),
      CLERK_API_URL: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      CLERK_ISSUER: run.environment.CLERK_API_URL,
    });
  });

  it('has the local Clerk answer the command with the settings that it passes', async () => {
    const count = `fetch(process.env.CLERK_API_URL + '/v1/users/count', { headers: { authorization: 'Bearer ' + process.env.CLERK_SECRET_KEY } })
      .then((answer) => answer.json()).then((body) => console.log('users: ' + body.total_count))`;
    const run = await clone.run(['--serve', process.execPath, '-e', count], { DATABASE_URL });
    expect([run.code, run.output]).toEqual([0, 'users: 3\n']);
  });

  it.each<Record<string, string>>([
    { CLERK_SECRET_KEY: 'sk_live_x' },
    { CLERK_PUBLISHABLE_KEY: 'pk_test_Y2xlcmsuZXhhbXBsZS5jb20k' },
    { CLERK_WEBHOOK_SIGNING_SECRET: 'whsec_x' },
    { CLERK_SOMETHING_NEW: 'x' },
  ])('does not start the local Clerk when there is any setting of a real one: %j', async (settings) => {
    const run = await clone.run(['--serve', ...TELL], { DATABASE_URL, HOST: '0.0.0.0', ...settings });
    expect(run.code).toBe(0);
    expect(clerkSettingsOf(run)).toEqual(Object.keys(settings));
    expect(run.environment).toMatchObject(settings);
  });

  it('leaves it to the server to name what is missing of a real Clerk', async () => {
    const server = ['--serve', process.execPath, join(ROOT, 'dist/src/main.js')];
    const run = await clone.run(server, { DATABASE_URL, CLERK_PUBLISHABLE_KEY: 'pk_test_Y2xlcmsuZXhhbXBsZS5jb20k' });
    expect(run.code).toBe(1);
    expect(run.output).toMatch(/^ {2}CLERK_SECRET_KEY: is missing/m);
  });

  it('reads .env, over which the environment wins', async () => {
    const configured = new Clone();
    writeFileSync(join(configured.folder, '.env'), 'CLERK_SECRET_KEY=sk_test_ours\nLOG_LEVEL=debug\nAPI_DOCS=off\n');
    const run = await configured.run(['--serve', ...TELL], { DATABASE_URL, LOG_LEVEL: 'warn' });
    expect(run.environment).toMatchObject({ LOG_LEVEL: 'warn', API_DOCS: 'off', CLERK_SECRET_KEY: 'sk_test_ours' });
    expect(clerkSettingsOf(run)).toEqual(['CLERK_SECRET_KEY']);
  });

  it('brings nothing of its own in production', async () => {
    const env = { NODE_ENV: 'production', HOST: '0.0.0.0' };
    const run = await clone.run(['--serve', ...TELL], env);
    expect(run.code).toBe(0);
    expect(run.environment).toMatchObject(env);
    expect(broughtTo(run)).toEqual([]);
  });

  it('brings neither a Clerk nor a port to a command that does not serve', async () => {
    const run = await clone.run(TELL, { DATABASE_URL, HOST: '0.0.0.0' });
    expect(run.environment).toMatchObject({ DATABASE_URL, HOST: '0.0.0.0' });
    expect(broughtTo(run)).toEqual(['DATABASE_URL']);
  });

  it.each([
    ['its own', 'process.exit(7)', 7],
    ['1 when a signal ended it', 'process.kill(process.pid, "SIGKILL")', 1],
  ])('answers the exit code of the command: %s', async (_what, script, code) => {
    for (const serve of [[], ['--serve']]) {
      const run = await clone.run([...serve, process.execPath, '-e', script], { DATABASE_URL });
      expect(run.code).toBe(code);
    }
  });

  it('says in a line that there is no such command', async () => {
    for (const serve of [[], ['--serve']]) {
      const run = await clone.run([...serve, 'no-such-command'], { DATABASE_URL });
      expect(run.code).toBe(1);
      expect(run.output).toMatch(/^.*no-such-command.*\n$/);
    }
  });

  it('passes SIGTERM on, and ends when the command has', async () => {
    const script = 'process.on("SIGTERM", () => process.exit(5)); setInterval(() => {}, 1000); console.log("running")';
    const run = clone.start(['--serve', process.execPath, '-e', script], { DATABASE_URL });
    await run.says(/running/);
    await run.end();
    expect(run.code).toBe(5);
  });

  it('chooses a port that is free when 3000 is taken, keeps one that was asked for, and says when that is taken', async () => {
    // answers nothing, so that who asks it whether it is ready waits
    const other = createServer();
    // if it cannot listen, somebody else does already
    await new Promise(
      (resolve) => void other.once('error', resolve).listen(3000, '127.0.0.1', () => resolve(undefined)),
    );
    onClose(async () => other.close());
    const chosen = (await clone.run(['--serve', ...TELL], { DATABASE_URL })).environment.PORT;
    expect(Number(chosen)).toBeGreaterThan(0);
    expect(chosen).not.toBe('3000');
    const asked = String(await freePort());
    expect((await clone.run(['--serve', ...TELL], { DATABASE_URL, PORT: asked })).environment.PORT).toBe(asked);
    const refused = await clone.run(['--serve', ...TELL], { DATABASE_URL, PORT: '3000' });
    expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('PORT: 3000 is already in use') });
  });

  it('greets when the server is ready, with a link whose secret signs somebody in', async () => {
    const script = `require('node:http').createServer((request, response) => response.end()).listen(process.env.PORT, '127.0.0.1')`;
    const run = clone.start(['--serve', process.execPath, '-e', script], { DATABASE_URL });
    const [api, clerk, secret] = await run.says(
      /ready at (\S+) [^]*LOCAL CLERK is on[^]* (http:\S+)\/#secret=([^&\s]+)&api=/,
    );
    expect(api).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const options = { method: 'POST', body: `user_id=${ADA}` };
    const { body } = await call(`${clerk}/local/tokens`, { ...options, headers: { 'x-local-secret': secret ?? '' } });
    expect(claimsOf(String(body.text))).toMatchObject({ sub: ADA, iss: clerk });
    expect((await call(`${clerk}/local/tokens`, options)).status).toBe(403);
    await run.end();
  });

  it('greets with lines that are answered as they stand, the second in an organization', async () => {
    const { url, ownerUrl } = await createDatabase();
    const server = ['--serve', process.execPath, join(ROOT, 'dist/src/main.js')];
    const run = clone.start(server, { DATABASE_URL: url, DATABASE_OWNER_URL: ownerUrl });
    const lines = await run.says(/^(curl .*\/v1\/me .*)\n\n(curl .*\/v1\/projects .*)\n/m);
    const answers = lines.map((line) => JSON.parse(execFileSync('sh', ['-c', line], { encoding: 'utf8' })) as object);
    expect(answers).toMatchObject([{ user: { name: 'Ada Example' } }, { data: [] }]);
    await run.end();
  });

  it('has nothing to say but that no local Clerk runs to a command of ours that needs one, and lets it help', async () => {
    const built = new Clone();
    const file = join(built.folder, 'dist/tell.js');
    mkdirSync(dirname(file));
    writeFileSync(file, 'console.log("told")');
    const tell = [process.execPath, 'dist/tell.js'];
    const refused = await built.run(tell, { DATABASE_URL });
    expect([refused.code, refused.output]).toEqual([1, expect.stringMatching(/^No local Clerk is running: .*\n$/)]);
    for (const help of ['--help', '-h'])
      expect(await built.run([...tell, help], { DATABASE_URL })).toMatchObject({ code: 0, output: 'told\n' });
  });

  it('signs with the same key after a restart, with another secret', async () => {
    const script = `fetch(process.env.CLERK_API_URL + '/v1/jwks', { headers: { authorization: 'Bearer ' + process.env.CLERK_SECRET_KEY } })
      .then((answer) => answer.json()).then(({ keys }) => console.log(JSON.stringify({ kid: keys[0].kid, secret: process.env.CLERK_SECRET_KEY })))`;
    const told = async () =>
      (await clone.run(['--serve', process.execPath, '-e', script], { DATABASE_URL })).environment;
    const [first, second] = [await told(), await told()];
    expect(first.kid).toMatch(/^ins_/);
    expect(second.kid).toBe(first.kid);
    expect(second.secret).not.toBe(first.secret);
  });

  it('tells other commands of the clone how to reach its Clerk while it runs, and nobody else', async () => {
    const file = join(clone.folder, '.local/clerk/running.json');
    expect(clerkSettingsOf(await clone.run(TELL, { DATABASE_URL }))).toEqual([]);
    const server = clone.start(['--serve', ...AND_WAIT], { DATABASE_URL });
    await server.says(/^{.*}$/m);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const other = await clone.run(TELL, { DATABASE_URL });
    expect(clerkSettingsOf(other).toSorted()).toEqual(clerkSettingsOf(server).toSorted());
    expect(other.environment).toMatchObject({ CLERK_SECRET_KEY: server.environment.CLERK_SECRET_KEY });
    expect(clerkSettingsOf(await clone.run(TELL, { DATABASE_URL, NODE_ENV: 'production' }))).toEqual([]);
    const real = { CLERK_SECRET_KEY: 'sk_test_real' };
    expect(clerkSettingsOf(await clone.run(TELL, { DATABASE_URL, ...real }))).toEqual(Object.keys(real));
    await server.end();
    expect(existsSync(file)).toBe(false);
  });

  it('does not believe what a Clerk left behind that was killed', async () => {
    const left = { CLERK_SECRET_KEY: 'sk_test_x', CLERK_API_URL: `http://127.0.0.1:${await freePort()}` };
    const file = join(clone.folder, '.local/clerk/running.json');
    for (const content of [JSON.stringify(left), '{"CLERK_']) {
      writeFileSync(file, content);
      expect(clerkSettingsOf(await clone.run(TELL, { DATABASE_URL }))).toEqual([]);
    }
  });

  it('signs events with the same secret after a restart', async () => {
    const told = async () => (await clone.run(['--serve', ...TELL], { DATABASE_URL })).environment;
    const [first, second] = [await told(), await told()];
    expect(first.CLERK_WEBHOOK_SIGNING_SECRET).toMatch(/^whsec_[A-Za-z0-9+/]{32}$/);
    expect(second.CLERK_WEBHOOK_SIGNING_SECRET).toBe(first.CLERK_WEBHOOK_SIGNING_SECRET);
    expect(statSync(join(clone.folder, '.local/clerk/webhook-secret')).mode & 0o777).toBe(0o600);
  });

  it('brings a PostgreSQL where no DATABASE_URL is set, and stops it when the command has ended', async () => {
    const run = await clone.run(TELL);
    expect(run.output).toMatch(/^{.*}\n$/);
    expect(run.environment).toMatchObject({
      DATABASE_URL: expect.stringMatching(/^postgres:\/\/gatehouse:[^@]+@127\.0\.0\.1:\d+\/gatehouse$/),
      DATABASE_OWNER_URL: expect.stringMatching(/^postgres:\/\/gatehouse_owner:[^@]+@127\.0\.0\.1:\d+\/gatehouse$/),
    });
    const state = join(clone.folder, '.local/postgres');
    expect(existsSync(join(state, 'data/PG_VERSION'))).toBe(true);
    expect(existsSync(join(state, 'data/postmaster.pid'))).toBe(false);
    expect(statSync(join(state, 'passwords.json')).mode & 0o777).toBe(0o600);
  });
});

describe('local/reset.ts', () => {
  it('takes away all that stood in, though it still runs', async () => {
    const clone = new Clone();
    const script = 'setInterval(() => {}, 1000); console.log(process.env.DATABASE_URL)';
    const run = clone.start([process.execPath, '-e', script]);
    const [url = ''] = await run.says(/^(postgres:.*)$/m);
    const reset = clone.node('local/reset.ts');
    await reset.ended;
    expect([reset.code, reset.output]).toEqual([0, expect.stringMatching(/^The local state is gone/)]);
    expect(existsSync(join(clone.folder, '.local'))).toBe(false);
    await expect(new Client({ connectionString: url }).connect()).rejects.toThrow(/ECONNREFUSED/);
    await run.end();
  });
});

describe('what is built for production', () => {
  it('has nothing of what stands in', () => {
    expect(existsSync(join(ROOT, 'dist/src/main.js'))).toBe(true);
    expect(existsSync(join(ROOT, 'dist/local'))).toBe(false);
  });
});
