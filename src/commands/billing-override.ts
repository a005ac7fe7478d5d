import type { Overridable, Override, Payer } from '../billing/index.ts';
import type { Gives } from './billing-options.ts';
import { UsageError } from './usage-error.ts';

interface Wish {
  payer: Pick<Payer, 'kind'>;
  feature: string;
  gives: Gives;
}

/** What is stored for a wish. Throws a UsageError where it makes no sense: what is misspelt would give nothing to anybody. */
export function giftOf(
  { payer, feature, gives }: Wish,
  { features, counted }: Overridable,
): Pick<Override, 'isGranted' | 'limit'> {
  const isCounted = counted.includes(feature);
  if (!isCounted && !features.includes(feature))
    throw new UsageError(
      `There is no feature ${feature}. Features: ${features.join(', ')}. Counted: ${counted.join(', ')}.`,
    );
  if (feature === 'seats' && payer.kind === 'user') throw new UsageError('Seats are of a tenant; a user has none.');
  if (isCounted && gives === 'grant')
    throw new UsageError(`${feature} is counted: say how much by --limit N or --unlimited.`);
  if (!isCounted && gives !== 'grant' && gives !== 'deny')
    throw new UsageError(`${feature} is not counted: say --grant or --deny.`);
  return { isGranted: gives !== 'deny', limit: typeof gives === 'number' ? gives : null };
}

export function sentenceOfOverride({ feature, isGranted, limit, endsAt }: Override): string {
  const how = isGranted ? `granted${limit === null ? '' : ` up to ${limit}`}` : 'denied';
  return `${feature} is ${how} ${endsAt ? `until ${endsAt.toISOString()}` : 'without an end'}`;
}
