import { unprocessable } from './answers.ts';
import { type Form, formOf } from './form.ts';
import type { Wishes } from './order.ts';

/** What is wanted of which plan. */
export function subscribing(form: Form): [slug: string, wishes: Wishes] {
  const kinds = { plan: 'text', trial: 'switch', period: 'text', seats: 'count' } as const;
  const { plan, period = 'month', ...wishes } = formOf(form, kinds, ['plan']);
  if (period !== 'month' && period !== 'annual')
    throw unprocessable('form_param_value_invalid', 'period', 'must be month or annual');
  return [plan, { ...wishes, period }];
}

export function canceling(form: Form): { endNow: boolean } {
  return { endNow: formOf(form, { end_now: 'switch' }).end_now ?? false };
}

export function endingTrial(form: Form): { pays: boolean } {
  const { pays } = formOf(form, { pays: 'switch' });
  if (pays === undefined) throw unprocessable('form_param_missing', 'pays', 'pays must be included.');
  return { pays };
}

/** To when a trial is extended, in milliseconds. */
export function extending(form: Form): number {
  return formOf(form, { extend_to: 'time' }, ['extend_to']).extend_to;
}

export function switchOf(query: URLSearchParams, name: string): boolean {
  const value = query.get(name) ?? 'false';
  if (value !== 'true' && value !== 'false')
    throw unprocessable('form_param_value_invalid', name, `${name} must be true or false`);
  return value === 'true';
}
