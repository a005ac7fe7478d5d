import { type ExecFileException, execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { environmentOf } from '../support/app.ts';
import { TestClerk } from '../support/clerk.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { ServerProcess } from '../support/server.ts';

const ROOT = join(import.meta.dirname, '../..');
const MIGRATION = /Migration\d{14}\S*/;

/** What `npm ci --omit=dev --omit=optional` would install, beside the build: all that an image holds. */
const image = mkdtempSync(join(tmpdir(), 'gatehouse-image-'));

let clerk: TestClerk;
let database: TestDatabase;
let env: Record<string, string>;

interface Package {
  dev?: boolean;
  optional?: boolean;
  devOptional?: boolean;
}

beforeAll(async () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Package>;
  };
  const isNested = (file: string, folder: string) => file.slice(folder.length).includes('/node_modules');
  for (const [folder, { dev, optional, devOptional }] of Object.entries(packages)) {
    if (!folder || dev || optional || devOptional) continue;
    const from = join(ROOT, folder);
    cpSync(from, join(image, folder), { recursive: true, filter: (file) => !isNested(file, from) });
  }
  for (const part of ['dist', 'package.json', 'package-lock.json'])
    cpSync(join(ROOT, part), join(image, part), { recursive: true });
  clerk = await TestClerk.start();
  database = await createDatabase({ empty: true });
  env = { ...environmentOf(clerk, database), ...clerk.productionEnv, HOST: '127.0.0.1', LOG_LEVEL: 'info' };
});

afterAll(() => rmSync(image, { recursive: true }));

interface Run {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command of the image, with these settings alone. */
function run(command: string, args: string[], settings = env): Promise<Run> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join('dist/src/commands', `${command}.js`), ...args],
      { cwd: image, env: settings },
      (error: ExecFileException | null, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

const migrate = (args: string[], settings = env) => run('migrate', args, settings);

async function appliedIn(): Promise<string[]> {
  const rows = await database.query<{ name: string }>('select name from mikro_orm_migrations order by id');
  return rows.map(({ name }) => name);
}

describe('an image', () => {
  it('holds no stand-ins and no development dependency', () => {
    for (const part of ['local', 'src', 'node_modules/typescript', 'node_modules/@mikro-orm/cli', 'node_modules/.bin'])
      expect(existsSync(join(image, part))).toBe(false);
  });

  it('migrates, once, however many do so together, and says how far it is', async () => {
    const before = await migrate(['status']);
    expect(before).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/\d+ pending\n$/) });
    const runs = await Promise.all([migrate(['up']), migrate(['up'])]);
    for (const each of runs) expect(each).toMatchObject({ code: 0, stderr: '' });
    const names = await appliedIn();
    expect(new Set(names).size).toBe(names.length);
    const outputs = runs.map(({ stdout }) => stdout).toSorted((a, b) => b.length - a.length);
    for (const [index, name] of names.entries())
      expect(outputs[0]).toContain(`${index + 1} of ${names.length}: ${name}`);
    expect(outputs[0]).toContain(`Applied ${names.length}\n`);
    expect(outputs[1]).toMatch(/Nothing is pending\n$/);
    expect(await migrate(['status'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/Nothing is pending\n$/),
    });
  });

  it('takes the newest migration back, and applies it again', async () => {
    const newest = (await appliedIn()).at(-1);
    expect(await migrate(['down'])).toMatchObject({ code: 0, stderr: '', stdout: `Took back ${newest}\n` });
    expect((await migrate(['status'])).stdout).toContain(`${newest}  pending\n`);
    expect(await migrate(['up'])).toMatchObject({ code: 0, stdout: `1 of 1: ${newest}\nApplied 1\n` });
  });

  it('changes nothing when a migration fails, and tells it by its exit code', async () => {
    const newest = (await appliedIn()).at(-1) ?? '';
    expect((await migrate(['down'])).code).toBe(0);
    const file = join(image, 'dist/src/database/migrations', `${newest}.js`);
    const source = readFileSync(file);
    const broken = String(source).replace(/async up\(\) \{|up\(\) \{/, "$& this.addSql('select no_such_column');");
    expect(broken).not.toBe(String(source));
    writeFileSync(file, broken);
    const failed = await migrate(['up']);
    writeFileSync(file, source);
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('42703') });
    expect(await appliedIn()).not.toContain(newest);
    expect((await migrate(['up'])).code).toBe(0);
  });

  it.each<[what: string, args: string[], settings: Record<string, string>, code: number, says: RegExp]>([
    [
      'no command',
      [],
      {},
      2,
      /^Say what to do: up, down or status\.\nnode dist\/src\/commands\/migrate\.js --help .*\n$/,
    ],
    ['an unknown command', ['fresh'], {}, 2, /^Say what to do/],
    ['an unknown option', ['up', '--force'], {}, 2, /--force/],
    ['no address', ['up'], {}, 1, /^The settings are wrong:\n {2}DATABASE_URL: is missing.*\n$/],
    [
      'nobody at the address',
      ['up'],
      { DATABASE_URL: 'postgres://127.0.0.1:1/x' },
      1,
      /^DATABASE_URL: no connection to the database: .*ECONNREFUSED.*\n$/,
    ],
    [
      'nobody at the address of the owner',
      ['status'],
      { DATABASE_URL: 'postgres://127.0.0.1:1/x', DATABASE_OWNER_URL: 'postgres://localhost:1/x' },
      1,
      /^DATABASE_OWNER_URL: no connection to the database: .*ECONNREFUSED.*\n$/,
    ],
  ])('says what is wrong in a line: %s', async (_what, args, settings, code, says) => {
    const answer = await migrate(args, settings);
    expect(answer).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(says) });
  });

  it('starts a server, and a worker beside it', async () => {
    const server = await ServerProcess.spawn(env, join(image, 'dist/src/main.js'));
    await server.until('/readyz', 200);
    const { status } = await server.as(clerk.aToken({ sub: clerk.aUser().id }), '/v1/me');
    expect(status).toBe(200);
    const worker = await ServerProcess.spawn(env, join(image, 'dist/src/worker.js'));
    while (!worker.output.includes('Working on jobs') && worker.isRunning)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(worker.output).toContain('"msg":"Ready"');
    expect([await worker.stop(), await server.stop()]).toEqual([0, 0]);
  });

  it.each<[command: string, args: string[], says: RegExp]>([
    ['migrate', ['--help'], /node dist\/src\/commands\/migrate\.js up/],
    ['webhooks', ['--help'], /node dist\/src\/commands\/webhooks\.js list/],
    ['billing', ['--help'], /node dist\/src\/commands\/billing\.js show/],
    ['reconcile', ['--help'], /node dist\/src\/commands\/reconcile\.js \[--apply\]/],
    ['webhooks', ['list'], /^There are no such events\.|^ID/],
    ['reconcile', ['--apply'], /\w/],
  ])('runs %s %j', async (command, args, says) => {
    const { code, stdout, stderr } = await run(command, args);
    expect({ code, output: stdout + stderr }).toEqual({ code: 0, output: expect.stringMatching(says) });
    expect(stdout + stderr).not.toContain('npm run');
  });

  it('runs billing for a payer', async () => {
    const [user] = await database.query<{ clerk_id: string }>('select clerk_id from users');
    expect(await run('billing', ['show', user?.clerk_id ?? ''])).toMatchObject({ code: 0 });
    expect(await run('billing', ['show'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('billing.js --help'),
    });
  });

  it('names its migrations where a server waits for them', async () => {
    const server = await ServerProcess.spawn(
      {
        ...env,
        ...environmentOf(clerk, await createDatabase({ empty: true })),
        NODE_ENV: 'production',
        CLERK_SECRET_KEY: env.CLERK_SECRET_KEY ?? '',
        CLERK_PUBLISHABLE_KEY: env.CLERK_PUBLISHABLE_KEY ?? '',
      },
      join(image, 'dist/src/main.js'),
    );
    await server.until('/readyz', 503);
    const reason = JSON.stringify((await server.call('/readyz')).body);
    expect(reason).toMatch(MIGRATION);
    expect(reason).toContain('node dist/src/commands/migrate.js up');
  });
});

describe('npm install', () => {
  /** Installs a package with an install script, in a folder with or without our settings of npm; answers whether it ran. */
  async function runsScripts(withSettings: boolean): Promise<boolean> {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-install-'));
    const postinstall = `node -e "require('fs').writeFileSync(process.env.INIT_CWD + '/ran', '')"`;
    const greedy = { name: 'greedy', version: '1.0.0', scripts: { postinstall } };
    mkdirSync(join(folder, 'greedy'));
    writeFileSync(join(folder, 'greedy/package.json'), JSON.stringify(greedy));
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ dependencies: { greedy: 'file:greedy' } }));
    if (withSettings) cpSync(join(ROOT, '.npmrc'), join(folder, '.npmrc'));
    const { PATH = '', HOME = '' } = process.env;
    await promisify(execFile)('npm', ['install', '--offline', '--no-audit', '--no-fund'], {
      cwd: folder,
      env: { PATH, HOME },
    });
    const ran = existsSync(join(folder, 'ran'));
    expect(existsSync(join(folder, 'node_modules/greedy/package.json'))).toBe(true);
    rmSync(folder, { recursive: true });
    return ran;
  }

  it('runs no script of a dependency, whichever npm it is', async () => {
    expect([await runsScripts(false), await runsScripts(true)]).toEqual([true, false]);
  });
});
