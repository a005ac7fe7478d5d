import { parseArgs } from 'node:util';
import type { InboxStatus } from '../webhooks/index.ts';
import { invocation } from './invocation.ts';
import { UsageError } from './usage-error.ts';

export const WEBHOOKS_CALL = invocation('webhooks', 'webhooks');
export const WEBHOOKS_HELP = `Looks at the events that Clerk sent, and deals with them anew.

  ${WEBHOOKS_CALL} list [--status S] [--type T] [--since W] [--limit N] [--json]
  ${WEBHOOKS_CALL} show ID [--json]
  ${WEBHOOKS_CALL} replay ID... [--json]
  ${WEBHOOKS_CALL} replay [--status S] [--type T] [--since W] [--json]   (one of the three, or more)

  --status   processed, ignored, failed, quarantined, unresolved
  --type     such as user.updated
  --since    30m, 12h, 7d, or a time such as 2026-01-31T12:00:00Z
  --limit    how many the list shows, newest first (50)
  --json     one JSON object a line, for scripts

Replaying an event that was dealt with is safe: what is newer stays, and jobs of features run again only if they are dead.
Nothing is left to replay of events about a user who is deleted.
`;

const DEFAULT_LIMIT = 50;
const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const STATUSES: InboxStatus[] = ['processed', 'ignored', 'failed', 'quarantined', 'unresolved'];

const FLAGS = {
  status: { type: 'string' },
  type: { type: 'string' },
  since: { type: 'string' },
  limit: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** What the command line asks for. Throws a UsageError. */
export function webhooksOptionsOf(args: string[]) {
  const { values, positionals } = read(args);
  const { status, type, since, limit, json = false, help = false } = values;
  const [command = '', ...ids] = positionals;
  const filter = {
    ...(status && { status: statusOf(status) }),
    ...(type && { type }),
    ...(since && { since: sinceOf(since) }),
  };
  const options = { command, ids, filter, limit: limitOf(limit), json, help };
  if (!help) refuseMisuse(options, limit !== undefined);
  return options;
}
export type WebhooksOptions = ReturnType<typeof webhooksOptionsOf>;

function read(args: string[]) {
  try {
    return parseArgs({ args, options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function refuseMisuse(
  { command, ids, filter }: Pick<WebhooksOptions, 'command' | 'ids' | 'filter'>,
  isLimited: boolean,
): void {
  if (!['list', 'show', 'replay'].includes(command)) throw new UsageError(`Say what to do: list, show or replay.`);
  const isFiltered = Object.keys(filter).length > 0;
  // a replay that went beyond what was asked could not be taken back
  if (command !== 'list' && isLimited) throw new UsageError('--limit is for the list.');
  if (command === 'list' && ids.length > 0) throw new UsageError('The list is narrowed by --status, --type, --since.');
  if (command === 'show' && ids.length !== 1) throw new UsageError('Name one event.');
  if (command === 'replay' && ids.length > 0 === isFiltered)
    throw new UsageError('Name events, or say which by one or more of --status, --type, --since.');
}

function statusOf(value: string) {
  const known = STATUSES.find((each) => each === value);
  if (!known) throw new UsageError(`--status is one of ${STATUSES.join(', ')}.`);
  return known;
}

function sinceOf(value: string): Date {
  const [, amount, unit] = /^(\d{1,6})([mhd])$/.exec(value) ?? [];
  const since = unit ? Date.now() - Number(amount) * UNITS_MS[unit as keyof typeof UNITS_MS] : Date.parse(value);
  if (Number.isNaN(since)) throw new UsageError('--since takes 30m, 12h, 7d, or a time such as 2026-01-31T12:00:00Z.');
  return new Date(since);
}

function limitOf(value: string | undefined): number {
  if (value === undefined) return DEFAULT_LIMIT;
  if (!/^[1-9]\d{0,6}$/.test(value)) throw new UsageError('--limit takes a number.');
  return Number(value);
}
