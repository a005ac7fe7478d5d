import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { TestClerk } from './support/clerk.ts';
import { onClose } from './support/closing.ts';
import { ServerProcess } from './support/server.ts';
import { SystemPostgres, systemPostgres } from './support/system-postgres.ts';

const ROOT = join(import.meta.dirname, '..');
const HAS_OPENSSL = !spawnFails('openssl', ['version']);
const NOBODY = 65_534;

/** The runtime role and the owner get in encrypted alone; the superuser, who looks on, does not need to. */
const ACCESS = `
local all all trust
host all postgres 127.0.0.0/8 trust
hostssl all all 127.0.0.0/8 trust
`;

const CONNECTIONS = `
select usename as role, application_name as name, ssl
from pg_stat_ssl join pg_stat_activity using (pid) where usename like 'gatehouse%'`;

function spawnFails(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return false;
  } catch {
    return true;
  }
}

/** A certificate for localhost and 127.0.0.1, signed by an authority of its own. */
function createCertificates(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-tls-'));
  onClose(async () => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  const openssl = (args: string) => execFileSync('openssl', args.split(' '), { cwd: folder, stdio: 'ignore' });
  openssl('req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority');
  openssl('req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost');
  openssl('x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem');
  openssl('x509 -req -in server.csr -signkey server.key -days 2 -extfile names -out stranger.pem');
  // with no day to live
  openssl('x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 0 -extfile names -out expired.pem');
  return folder;
}

const describeIfPossible = systemPostgres && HAS_OPENSSL ? describe : describe.skip;

describeIfPossible('a database that takes nothing but TLS', () => {
  let clerk: TestClerk;
  let postgres: SystemPostgres;
  let certificates: string;
  let folder: string;
  let databases = 0;

  beforeAll(async () => {
    clerk = await TestClerk.start();
    certificates = createCertificates();
    postgres = await SystemPostgres.start(systemPostgres ?? '', (data) => {
      folder = data;
      writeFileSync(join(data, 'pg_hba.conf'), ACCESS);
      give('server.key');
      give('server.pem');
      const files = ['ssl_cert_file=server.pem', 'ssl_key_file=server.key', `unix_socket_directories=${data}`];
      return ['listen_addresses=127.0.0.1,127.0.0.2', 'ssl=on', ...files];
    });
  });

  /** Gives the server a file, to read it when it starts or is told to. */
  function give(file: string, name = file): void {
    const path = join(folder, name);
    writeFileSync(path, readFileSync(join(certificates, file)));
    chmodSync(path, 0o600);
    if (process.getuid?.() === 0) chownSync(path, NOBODY, NOBODY);
  }

  async function present(certificate: string): Promise<void> {
    give(certificate, 'server.pem');
    await postgres.query('postgres', 'select pg_reload_conf()');
  }

  /** An empty database, and all settings of a server on it. */
  async function aDatabase(query: string, more: Record<string, string> = {}) {
    const name = `tls_${++databases}`;
    await postgres.createDatabase(name);
    const env = {
      PATH: process.env.PATH ?? '',
      NODE_ENV: 'test',
      ...clerk.env,
      DATABASE_URL: `${postgres.url('gatehouse', name)}${query}`,
      DATABASE_OWNER_URL: `${postgres.url('gatehouse_owner', name)}${query}`,
      ...more,
    };
    const connections = () => postgres.query<{ role: string; ssl: boolean }>(name, CONNECTIONS);
    return { env, connections };
  }

  const trusted = () => ({ NODE_EXTRA_CA_CERTS: join(certificates, 'ca.pem') });

  it.each([
    ['require', () => '?sslmode=require'],
    ['verify-full', () => '?sslmode=verify-full'],
    ['verify-ca', () => '?sslmode=verify-ca'],
  ])('is reached encrypted by every connection, by a certificate that Node trusts: %s', async (_mode, query) => {
    const { env, connections } = await aDatabase(query(), trusted());
    const server = await ServerProcess.start(env);
    expect((await server.as(clerk.aToken(), '/v1/me')).status).toBe(200);
    const open = await connections();
    expect(open.length).toBeGreaterThan(2);
    expect(open.filter(({ ssl }) => !ssl)).toEqual([]);
    await server.stop();
  });

  it('is reached by a certificate that the address names', async () => {
    const { env, connections } = await aDatabase(`?sslmode=verify-full&sslrootcert=${join(certificates, 'ca.pem')}`);
    const server = await ServerProcess.start(env);
    expect((await connections()).every(({ ssl }) => ssl)).toBe(true);
    await server.stop();
  });

  it.each([
    ['dist/src/commands/webhooks.js', ['list']],
    ['dist/src/commands/billing.js', ['show', 'user_nobody']],
    ['dist/src/commands/reconcile.js', []],
    ['node_modules/.bin/mikro-orm', ['migration:pending', '--config', 'mikro-orm.config.ts']],
  ])('is reached by %s, too', async (script, args) => {
    const { env } = await aDatabase('?sslmode=verify-full', trusted());
    const server = await ServerProcess.start(env);
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, ...args], {
      cwd: ROOT,
      env,
    }).catch((error: { stdout: string; stderr: string }) => error);
    expect(stdout + stderr).not.toMatch(/no pg_hba.conf entry|certificate|Not ready|no connection/i);
    await server.stop();
  });

  it('is not reached where the certificate bears another name', async () => {
    const { env, connections } = await aDatabase('?sslmode=verify-full&host=127.0.0.2', trusted());
    const server = await ServerProcess.spawn(env);
    await server.until('/readyz', 503);
    expect(await connections()).toEqual([]);
    await server.stop();
    expect(server.output).toMatch(/127\.0\.0\.2/);
  });

  it.each([
    ['a certificate that nobody trusts', '?sslmode=require', /certificate/],
    ['no encryption', '', /no pg_hba.conf entry/],
  ])('is not reached by %s, and nothing goes on without', async (_what, query, says) => {
    const { env, connections } = await aDatabase(query);
    const server = await ServerProcess.spawn(env);
    await server.until('/readyz', 503);
    await server.until('/v1/me', 503);
    expect(await connections()).toEqual([]);
    await server.stop();
    expect(server.output).toMatch(says);
  });

  it('is reached over its socket, whatever sslmode says', async () => {
    const { env, connections } = await aDatabase('');
    const overSocket = (address = '') => `${address.replace('127.0.0.1', '')}?host=${folder}&sslmode=verify-full`;
    for (const name of ['DATABASE_URL', 'DATABASE_OWNER_URL'] as const) env[name] = overSocket(env[name]);
    const server = await ServerProcess.start(env);
    expect((await server.as(clerk.aToken(), '/v1/me')).status).toBe(200);
    const open = await connections();
    expect(open.length).toBeGreaterThan(2);
    expect(open.every(({ ssl }) => !ssl)).toBe(true);
    await server.stop();
  });

  it.each([
    ['has expired', 'expired.pem'],
    ['is of somebody else', 'stranger.pem'],
  ])('is away while its certificate %s, and back with a good one', async (_what, certificate) => {
    const { env } = await aDatabase('?sslmode=verify-full', trusted());
    const server = await ServerProcess.start(env);
    const statusOfNewUser = async () => (await server.as(clerk.aToken(), '/v1/me')).status;
    try {
      await present(certificate);
      // until the database has read it, and no connection of before is left
      const end = "select pg_terminate_backend(pid) from pg_stat_activity where usename like 'gatehouse%'";
      do await postgres.query('postgres', end);
      while ((await statusOfNewUser()) === 200);
      for (let request = 0; request < 10; request++) expect(await statusOfNewUser()).toBe(503);
    } finally {
      await present('server.pem');
    }
    await server.until('/readyz', 200);
    expect(await statusOfNewUser()).toBe(200);
    await server.stop();
  });
});
