import { notImplemented, unprocessable } from './answers.ts';
import type { Page } from './kept-list.ts';
import type { Order } from './kept-order.ts';

/** Clerk's own bounds on a page. */
const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 500;

const OF_ANY_PAGE = ['limit', 'offset', 'order_by'];

/** By creation, newest first, unless `order_by` says otherwise. */
export function pageOf(query: URLSearchParams, orders: Order[] = ['created_at']): Page {
  const orderBy = query.get('order_by') ?? '-created_at';
  const [, sign, name] = /^([+ -]?)(\w+)$/.exec(orderBy) ?? [];
  const order = orders.find((known) => known === name);
  if (!order) throw unprocessable('form_param_value_invalid', 'order_by', `The order ${orderBy} is not known here`);
  return { order, descending: sign === '-', ...windowOf(query) };
}

export function windowOf(query: URLSearchParams, maxLimit = MAX_LIMIT): Pick<Page, 'limit' | 'offset'> {
  const [limit, offset] = [integerOf(query, 'limit') ?? DEFAULT_LIMIT, integerOf(query, 'offset') ?? 0];
  if (limit < 1 || limit > maxLimit)
    throw unprocessable('form_param_value_invalid', 'limit', `limit must be from 1 to ${maxLimit}`);
  return { limit, offset };
}

/** Refuses a parameter that is not built: ignored, it would answer too much. */
export function refuseUnknown(query: URLSearchParams, known: string[]): void {
  for (const name of query.keys())
    if (![...OF_ANY_PAGE, ...known].includes(name.replace('[]', ''))) throw notImplemented(`parameter ${name} there`);
}

/** Ids, each with a `+` before it or not. */
export function idsOf(query: URLSearchParams, name: string): string[] | undefined {
  const ids = listOf(query, name);
  if (ids?.some((id) => id.startsWith('-'))) throw notImplemented(`exclusion by ${name}`);
  return ids?.map((id) => id.replace(/^[+ ]/, ''));
}

export function listOf(query: URLSearchParams, name: string): string[] | undefined {
  const values = [...query.getAll(name), ...query.getAll(`${name}[]`)];
  return values.length > 0 ? values : undefined;
}

/** In milliseconds, exclusive. */
export function createdBetween(query: URLSearchParams) {
  return {
    createdAfter: integerOf(query, 'created_at_after'),
    createdBefore: integerOf(query, 'created_at_before'),
  };
}

function integerOf(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null) return undefined;
  if (!/^\d{1,15}$/.test(value))
    throw unprocessable('form_param_value_invalid', name, `${name} must be a whole number`);
  return Number(value);
}
