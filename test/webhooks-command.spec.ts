import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { environmentOf, startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

const COMMAND = join(import.meta.dirname, '../dist/src/commands/webhooks.js');

/** In megabytes, as many as there are events. */
const LARGE = 100;

let clerk: TestClerk;
let app: TestApp;
let personId: string;

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** `npm run webhooks -- …`, as a process of its own. */
function webhooks(...args: string[]): Promise<Ended> {
  return webhooksIn({}, ...args);
}

async function webhooksIn(own: Record<string, string>, ...args: string[]): Promise<Ended> {
  const env = {
    PATH: process.env.PATH,
    ...own,
    ...environmentOf(clerk, app.database),
    CLERK_INSTANCE_ID: clerk.instanceId,
  };
  return promisify(execFile)(process.execPath, [COMMAND, ...args], { env }).then(
    (output) => ({ code: 0, ...output }),
    (error: Ended) => error,
  );
}

const statusOf = async (id: string) =>
  (await app.database.query<{ status: string }>('select status from inbox where id = $1', [id]))[0]?.status;
const namesOf = async () => app.database.query('select name from users where clerk_id = $1', [personId]);

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk, { CLERK_INSTANCE_ID: clerk.instanceId });
  const user = clerk.aUser({ first_name: 'Set', last_name: 'Aside' });
  personId = user.id;
  await clerk.deliver(app.url, clerk.anEvent('role.created', { id: 'role_1' }), { id: 'msg_ignored' });
  await clerk.deliver(app.url, clerk.anEvent('user.created', clerk.aUser()), { id: 'msg_done' });
  await clerk.deliver(app.url, clerk.anEvent('user.created', user, { instanceId: 'ins_other' }), { id: 'msg_foreign' });
});

describe('npm run webhooks', () => {
  it('says what it can do', async () => {
    const { code, stdout } = await webhooks('--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/list .*show .*replay/s);
  });

  it('replays by whichever of the options its help names', async () => {
    const { stdout } = await webhooks('--help');
    const named = /replay \[.*$/m.exec(stdout)?.[0].match(/--(?!json)\w+/g);
    const values: Record<string, string> = { '--status': 'failed', '--type': 'none.such', '--since': '2999-01-01' };
    expect(named).toEqual(Object.keys(values));
    for (const option of named ?? [])
      expect((await webhooks('replay', option, values[option] ?? '')).stdout).toBe('0 of 0 replayed\n');
    expect((await webhooks('replay')).stderr).toContain(named?.join(', '));
  });

  it.each([
    [[]],
    [['explode']],
    [['list', '--status', 'lost']],
    [['list', '--since', 'yesterday']],
    [['list', '--limit', '0']],
    [['replay', '--status', 'failed', '--limit', '5']],
    [['list', '--colour']],
    [['show']],
    [['show', 'msg_none']],
    [['replay']],
    [['replay', 'msg_done', '--status', 'failed']],
  ])('refuses %j with a sentence, where the help is, and exit code 2', async (args) => {
    const { code, stderr, stdout } = await webhooks(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^[^\n]+\.?\nnpm run webhooks -- --help says how\.\n$/);
  });

  it('lists events for a person, newest first', async () => {
    const { stdout } = await webhooks('list');
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toMatch(/^ID +TYPE +STATUS/);
    expect(lines.slice(1).map((line) => line.split(/ +/)[0])).toEqual(['msg_foreign', 'msg_done', 'msg_ignored']);
  });

  it('lists events for a script, and those alone that were asked for', async () => {
    const { stdout } = await webhooks(
      'list',
      '--status',
      'processed',
      '--since',
      '1h',
      '--type',
      'user.created',
      '--json',
    );
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string });
    expect(rows.map(({ id }) => id)).toEqual(['msg_done']);
    expect((await webhooks('list', '--since', '2999-01-01')).stdout).toBe('There are no such events.\n');
  });

  it('shows one with its payload', async () => {
    const { stdout } = await webhooks('show', 'msg_foreign');
    expect(stdout).toMatch(/^status +quarantined$/m);
    expect(stdout).toContain('"first_name": "Set"');
    expect(JSON.parse((await webhooks('show', 'msg_done', '--json')).stdout)).toMatchObject({
      id: 'msg_done',
      deadJobs: [],
    });
  });

  it('replays what was set aside, and doing so twice changes nothing more', async () => {
    expect(await namesOf()).toEqual([]);
    expect((await webhooks('replay', '--status', 'quarantined')).stdout).toBe('msg_foreign done\n1 of 1 replayed\n');
    expect(await namesOf()).toEqual([{ name: 'Set Aside' }]);
    expect(await statusOf('msg_foreign')).toBe('processed');
    await app.database.query(
      "update users set name = 'Newer', clerk_updated_at = clerk_updated_at + 1 where clerk_id = $1",
      [personId],
    );
    expect((await webhooks('replay', 'msg_foreign', 'msg_done')).code).toBe(0);
    expect(await namesOf()).toEqual([{ name: 'Newer' }]);
  });

  it('replays far more than fits into its memory', async () => {
    await app.database.query(
      `insert into inbox (id, type, status, event_at, payload, received_at)
       select 'msg_large' || n, 'large.created', 'failed', 0,
              json_build_object('type', 'large.created', 'data', json_build_object('text', repeat('x', 1000000))), now()
       from generate_series(1, ${LARGE}) as n`,
    );
    const little = { NODE_OPTIONS: '--max-old-space-size=160' };
    const { code, stdout, stderr } = await webhooksIn(little, 'replay', '--status', 'failed');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(new RegExp(`^${LARGE} of ${LARGE} replayed$`, 'm'));
  });

  it('says which it could not replay, and ends with exit code 1', async () => {
    const { code, stdout } = await webhooks('replay', 'msg_none', 'msg_done');
    expect([code, stdout]).toEqual([1, 'msg_none FAILED: There is no such event\nmsg_done done\n1 of 2 replayed\n']);
  });
});
