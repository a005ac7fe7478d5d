import '../node-version.ts';
import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { ownerOptions } from '../../mikro-orm.config.ts';
import { environment, readOwnerUrl } from '../config/index.ts';
import { NoConnectionError, withMigrator } from '../database/index.ts';
import { endWith } from '../explain.ts';
import { UsageError } from './usage-error.ts';

const CALL = 'node dist/src/commands/migrate.js';
const HELP = `Migrates the database, as the role of DATABASE_OWNER_URL (default: DATABASE_URL).

  ${CALL} up       applies what is pending: all of it, or nothing
  ${CALL} down     takes the newest one back, with the data that only it has
  ${CALL} status   lists what is applied and what is pending

Needs no other setting. Those that run at once take turns. Exit code 0: done; 1: it failed, and nothing was changed; 2: wrong
options.
`;

const COMMANDS = { up, down, status };
type Command = keyof typeof COMMANDS;

try {
  const command = commandOf(process.argv.slice(2));
  if (command === 'help') process.stdout.write(HELP);
  else await COMMANDS[command]();
} catch (error) {
  if (error instanceof NoConnectionError) {
    const setting = environment().DATABASE_OWNER_URL ? 'DATABASE_OWNER_URL' : 'DATABASE_URL';
    process.stderr.write(`${setting}: ${error.message}\n`);
    process.exit(1);
  }
  if (!(error instanceof UsageError)) endWith(error);
  process.stderr.write(`${error.message}\n${CALL} --help says how.\n`);
  process.exitCode = 2;
}

function commandOf(args: string[]): Command | 'help' {
  const { values, positionals } = read(args);
  if (values.help) return 'help';
  const [command = '', ...rest] = positionals;
  if (!Object.hasOwn(COMMANDS, command) || rest.length > 0) throw new UsageError('Say what to do: up, down or status.');
  return command as Command;
}

function read(args: string[]) {
  try {
    return parseArgs({ args, options: { help: { type: 'boolean', short: 'h' } }, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function up(): Promise<void> {
  await migrateWith(async (migrator) => {
    const pending = await migrator.getPending();
    let begun = 0;
    migrator.on('migrating', ({ name }) => console.log(`${++begun} of ${pending.length}: ${name}`));
    const applied = await migrator.up();
    console.log(applied.length > 0 ? `Applied ${applied.length}` : 'Nothing is pending');
  });
}

async function down(): Promise<void> {
  await migrateWith(async (migrator) => {
    const [undone] = await migrator.down();
    console.log(undone ? `Took back ${undone.name}` : 'Nothing is applied');
  });
}

async function status(): Promise<void> {
  await migrateWith(async (migrator) => {
    for (const { name, executed_at } of await migrator.getExecuted())
      console.log(`${name}  applied ${executed_at.toISOString()}`);
    const pending = await migrator.getPending();
    for (const { name } of pending) console.log(`${name}  pending`);
    console.log(pending.length > 0 ? `${pending.length} pending` : 'Nothing is pending');
  });
}

function migrateWith(work: Parameters<typeof withMigrator<void>>[1]): Promise<void> {
  return withMigrator(ownerOptions(readOwnerUrl()), work, () => console.log('Waiting for another migration to end'));
}
