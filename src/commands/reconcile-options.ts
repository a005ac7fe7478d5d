import { parseArgs } from 'node:util';
import { invocation } from './invocation.ts';
import { UsageError } from './usage-error.ts';

const DEFAULT_MAX_DELETIONS = 10;

export const RECONCILE_CALL = invocation('clerk:reconcile', 'reconcile');
export const RECONCILE_HELP = `Compares Clerk's users, organizations, memberships and plans with ours and tells what is missing, stale or orphaned here.

  ${RECONCILE_CALL} [--apply] [--max-deletions N] [--restart] [--json]
  ${RECONCILE_CALL} --revive ID

  --apply           repairs it; without it nothing is changed
  --max-deletions   with more orphans than that, of the first three together, none is deleted (${DEFAULT_MAX_DELETIONS})
  --restart         begins anew; else a run that was stopped less than a day ago goes on
  --json            one JSON object for each finding on standard output, the counts as the last
  --revive          brings back what is deleted here and alive at Clerk: user_…, org_… (with its memberships),
                    or one membership as org_…/user_…

Safe at any time: it takes half of Clerk's rate limit, skips what changes meanwhile, and deletes only what Clerk says not to
have, one by one; of plans it lacks, they are offered no more. What cannot be read of Clerk's is named and left out, and stays as it
is here. Exit code 0: nothing is left to do, or the dry run came to its end, whatever it found; 1: it failed, was stopped, could
not read something of Clerk's, or left something that it may not or could not do; 2: wrong options.
`;

/** `user_…`, `org_…`, or of a membership both. */
const KEY = /^[\w-]{1,200}(\/[\w-]{1,200})?$/;

export type CommandOptions = ReturnType<typeof optionsOf>;

/** Throws a UsageError. */
export function optionsOf(args: string[]) {
  const { help = false, apply = false, restart = false, json = false, revive, ...values } = parse(args);
  const maxDeletions = values['max-deletions'] ?? String(DEFAULT_MAX_DELETIONS);
  if (!/^\d{1,7}$/.test(maxDeletions)) throw new UsageError('--max-deletions takes a whole number.');
  if (revive !== undefined && !KEY.test(revive))
    throw new UsageError('--revive takes an id of Clerk, or org_…/user_… for a membership.');
  return { help, applies: apply, restart, json, revive, maxDeletions: Number(maxDeletions) };
}

function parse(args: string[]) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        help: { type: 'boolean', short: 'h' },
        apply: { type: 'boolean' },
        'max-deletions': { type: 'string' },
        restart: { type: 'boolean' },
        json: { type: 'boolean' },
        revive: { type: 'string' },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
