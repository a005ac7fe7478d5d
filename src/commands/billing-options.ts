import { parseArgs } from 'node:util';
import { endOf, extensionOf } from './billing-times.ts';
import { invocation } from './invocation.ts';
import { UsageError } from './usage-error.ts';

export const BILLING_CALL = invocation('billing', 'billing');
export const BILLING_HELP = `Shows what a payer pays for and may do, and changes that by an operator's word.

  ${BILLING_CALL} show PAYER [--json]
  ${BILLING_CALL} override PAYER FEATURE (--grant | --deny | --limit N | --unlimited)
                     (--until DATE | --for 30d | --no-end) --reason TEXT [--json]
  ${BILLING_CALL} override PAYER FEATURE --remove [--json]
  ${BILLING_CALL} extend-trial PAYER (--until DATE | --days N) [--json]

  PAYER         org_… or user_… of Clerk, or our id of the tenant or user
  FEATURE       a feature of some plan, a meter, or seats
  --grant       gives the feature, whatever the plan says
  --deny        takes the feature, the meter or the seats
  --limit       how much of the meter, or how many seats
  --unlimited   as much of the meter, or as many seats, as they want
  --until       a time in UTC, or a day, which is not in it: 2026-01-31T12:00:00Z, 2026-01-31
  --for         from now on: 90m, 12h, 30d
  --no-end      until it is removed
  --reason      for who asks later: 1 to 500 characters, no names
  --remove      the plan alone counts again
  --days        1 to 365, from where the trial would end
  --json        one JSON object, for scripts

An override takes the place of the one before. A trial is extended at Clerk, and then read from there. Exit code 0: done; 1: it
could not be done; 2: wrong options, or an unknown payer or feature.
`;

const MAX_REASON = 500;
const PAYER = /^((org|user)_[\w-]{1,200}|[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12})$/i;

const FLAGS = {
  grant: { type: 'boolean' },
  deny: { type: 'boolean' },
  limit: { type: 'string' },
  unlimited: { type: 'boolean' },
  until: { type: 'string' },
  for: { type: 'string' },
  'no-end': { type: 'boolean' },
  reason: { type: 'string' },
  remove: { type: 'boolean' },
  days: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const GIVING = ['grant', 'deny', 'limit', 'unlimited'] as const;
const ENDING = ['until', 'for', 'no-end'] as const;

/** What each command takes, beside --json. */
const TAKES = {
  show: [],
  override: [...GIVING, ...ENDING, 'reason', 'remove'],
  'extend-trial': ['until', 'days'],
} as const satisfies Record<string, (keyof typeof FLAGS)[]>;
type Command = keyof typeof TAKES;

type Values = ReturnType<typeof read>['values'];
/** A number: the limit. */
export type Gives = 'grant' | 'deny' | 'unlimited' | number;

export type BillingOptions = ReturnType<typeof billingOptionsOf>;

/** What the command line asks for. Throws a UsageError. */
export function billingOptionsOf(args: string[]) {
  const { values, positionals } = read(args);
  if (values.help) return { command: 'help' } as const;
  const [command, payer = '', feature = '', ...more] = positionals;
  if (!isCommand(command)) throw new UsageError('Say what to do: show, override or extend-trial.');
  refuseOthers(command, values);
  if (!PAYER.test(payer))
    throw new UsageError(
      `${payer === '' ? 'Name a payer' : `${payer} names no payer`}: org_… or user_… of Clerk, or our id.`,
    );
  if ((command === 'override') !== (feature !== '') || more.length > 0)
    throw new UsageError(command === 'override' ? 'Name one feature.' : 'Name one payer alone.');
  const common = { payer, json: values.json ?? false };
  if (command === 'show') return { command, ...common };
  if (command === 'extend-trial') return { command, ...common, by: extensionOf(values) };
  return values.remove
    ? { command: removal(values), ...common, feature }
    : { command, ...common, feature, gives: givesOf(values), endsAt: endOf(values), reason: reasonOf(values) };
}

function read(args: string[]) {
  try {
    return parseArgs({ args, options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function isCommand(word: string | undefined): word is Command {
  return word !== undefined && Object.hasOwn(TAKES, word);
}

function refuseOthers(command: Command, values: Values): void {
  const taken: readonly string[] = [...TAKES[command], 'json'];
  const other = Object.keys(values).find((name) => !taken.includes(name));
  if (other) throw new UsageError(`--${other} is not for ${command}.`);
}

function removal(values: Values): 'remove' {
  const other = [...GIVING, ...ENDING, 'reason' as const].find((name) => values[name] !== undefined);
  if (other) throw new UsageError(`--${other} is not for a removal.`);
  return 'remove';
}

function givesOf(values: Values): Gives {
  const [name, ...others] = GIVING.filter((each) => values[each] !== undefined);
  if (!name || others.length > 0) throw new UsageError('Say one of --grant, --deny, --limit N, --unlimited.');
  return name === 'limit' ? limitOf(values.limit ?? '') : name;
}

function limitOf(value: string): number {
  if (!/^\d{1,15}$/.test(value)) throw new UsageError('--limit takes 0 or a whole number above.');
  return Number(value);
}

function reasonOf({ reason = '' }: Values): string {
  const text = reason.trim();
  if (text === '' || text.length > MAX_REASON)
    throw new UsageError(`--reason says why, in 1 to ${MAX_REASON} characters.`);
  return text;
}
