import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { differences } from './drill/tables.ts';

const SCRIPT = join(import.meta.dirname, '../scripts/webhook-drill.ts');
const MAX_MS = 150_000;
const ENOUGH = ['--events', '600', '--kills', '3', '--minutes', '2', '--jobs', '0'];

async function drill() {
  const child = spawn(process.execPath, [SCRIPT, ...ENOUGH], { timeout: MAX_MS });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, stdout, stderr };
}

describe('events, while servers are killed and the database crashes', () => {
  it(
    'count exactly once, with their jobs, and none that was acknowledged is lost',
    async () => {
      const said = await drill();
      // whole, so that a failure shows the counts
      expect(said).toEqual({ code: 0, stdout: expect.stringContaining('lost: 0, doubled: 0, wrong: 0'), stderr: '' });
      expect(said.stdout).toContain('kills: 3; servers that ended by themselves: 0');
    },
    MAX_MS,
  );

  it('are lost, doubled or wrong where a table is not as expected', () => {
    const expected = new Map(['same', 'other', 'gone', 'twice'].map((key) => [key, '[1]']));
    const actual = ['same', 'twice', 'twice', 'new'].map((key) => ({ key, value: [1] }));
    expect(differences(expected, [...actual, { key: 'other', value: [2] }])).toEqual({
      lost: ['gone'],
      doubled: ['twice'],
      wrong: ['new: [1], not undefined', 'other: [2], not [1]'],
    });
  });
});
