import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../local/ports.ts';
import { onClose } from './closing.ts';

/** PgBouncer refuses to run as root; it runs as nobody then. */
const AS_NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

/** A pooler in transaction mode with so many connections to that database; undefined when the machine has none. */
export async function startPgBouncer(
  databaseUrl: string,
  { connections = 10 } = {},
): Promise<{ url: string } | undefined> {
  if (spawnSync('pgbouncer', ['--version']).status !== 0) return undefined;
  const target = new URL(databaseUrl);
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-pgbouncer-'));
  chmodSync(folder, 0o755);
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(join(folder, 'users.txt'), `"${target.username}" "${target.password}"\n`, { mode: 0o644 });
  writeFileSync(
    file,
    `[databases]
${target.pathname.slice(1)} = host=${target.hostname} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(folder, 'users.txt')}
pool_mode = transaction
default_pool_size = ${connections}
`,
  );
  const child = spawn('pgbouncer', [file], { ...AS_NOBODY, cwd: '/', stdio: 'ignore' });
  onClose(async () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  while (!(await listens(port))) await new Promise((resolve) => setTimeout(resolve, 50));
  return { url: Object.assign(new URL(databaseUrl), { port: String(port) }).href };
}

async function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
