import { Refusal, unprocessable } from './answers.ts';
import { isLess, isSame, type Order, periodFrom } from './order.ts';
import type { News, Subscription } from './subscription.ts';
import { anItem, change, type ItemRow } from './subscription-item.ts';

const DAY_MS = 86_400_000;
const MAX_EXTENSION_MS = 365 * DAY_MS;

/** A dearer plan at once, a cheaper one after the period that is paid; what was canceled goes on. */
export function subscribe(to: Subscription, order: Order, trial: boolean): News[] {
  if (trial && !to.isNew) throw impossible('Only who has neither paid nor tried before can try for free.');
  if (isSame(order, to.current)) return resume(to);
  const isAtOnce = trial || to.current.status === 'past_due' || !isLess(order, to.current);
  return isAtOnce ? switchTo(to, order, trial) : downgrade(to, order);
}

/** At the end of the period, or now; where nothing is paid that could be used up, now. */
export function cancel(of: Subscription, endNow: boolean): News[] {
  const { current, upcoming } = of;
  if (current.plan.is_default) throw impossible('The default plan cannot be canceled.');
  if (endNow || current.status === 'past_due') return fallBack(of);
  if (upcoming?.plan.is_default) throw impossible('The subscription item is canceled already.');
  return [...cancelCurrent(of), ...of.schedule(of.items[0])];
}

/** The period is over. */
export function renew(of: Subscription): News[] {
  const { current, upcoming } = of;
  if (current.status === 'canceled') return replace(of, upcoming ?? of.items[0]);
  refuseUnpaid(of);
  return goOn(of);
}

export function failPayment(of: Subscription): News[] {
  const { current } = of;
  if (current.status === 'canceled') throw impossible('A canceled subscription item is not charged.');
  refuseUnpaid(of);
  const charged = of.charge(current, 'recurring', { fails: true });
  return current.status === 'past_due'
    ? [charged]
    : [charged, of.become(current, 'past_due', { past_due_at: Date.now() })];
}

/** It becomes what was tried, or the default plan. */
export function endTrial(of: Subscription, pays: boolean): News[] {
  refuseNoTrial(of.current);
  const ending: News = ['freeTrialEnding', { ...of.current }];
  return [ending, ...(pays ? goOn(of) : fallBack(of))];
}

/** To a time in milliseconds. */
export function extendTrial(item: ItemRow, time: number): News[] {
  refuseNoTrial(item);
  if (time <= Date.now()) throw unprocessable('form_param_value_invalid', 'extend_to', 'must be in the future');
  if (time > Number(item.period_end) + MAX_EXTENSION_MS)
    throw unprocessable('form_param_value_invalid', 'extend_to', 'must be at most 365 days after the end of the trial');
  if (time === item.period_end) return [];
  change(item, { period_end: time });
  return [['updated', item]];
}

function resume(of: Subscription): News[] {
  if (of.current.status !== 'canceled') throw impossible('The payer is subscribed to that plan already.');
  return [of.become(of.current, 'active'), ...of.abandonAllBut(), ['rearranged', of]];
}

function switchTo(of: Subscription, order: Order, trial: boolean): News[] {
  const item = anItem(order, trial ? trialOf(order) : {});
  const ended = of.end();
  of.items.push(item);
  const charged = trial ? [] : [of.charge(item, 'checkout')];
  of.isNew = false;
  return [...charged, ['active', item], ended, ...of.abandonAllBut(), ['rearranged', of]];
}

function trialOf({ plan }: Order): Partial<ItemRow> {
  if (plan.free_trial_days === null)
    throw unprocessable('form_param_value_invalid', 'trial', `The plan ${plan.slug} has no free trial.`);
  return { is_free_trial: true, period_end: Date.now() + plan.free_trial_days * DAY_MS };
}

function downgrade(of: Subscription, order: Order): News[] {
  const item = anItem(order, { status: 'upcoming' });
  of.items.push(item);
  return [...cancelCurrent(of), ...of.schedule(item), ['rearranged', of]];
}

function cancelCurrent(of: Subscription): News[] {
  return of.current.status === 'canceled' ? [] : [of.become(of.current, 'canceled', { canceled_at: Date.now() })];
}

/** The item that was to come is in force. */
function replace(of: Subscription, item: ItemRow): News[] {
  const charged = item.plan.is_default ? [] : [of.charge(item, 'recurring')];
  return [...charged, of.end(), of.become(item, 'active')];
}

/** The default plan is in force, from now on. */
function fallBack(of: Subscription): News[] {
  const [own] = of.items;
  const ended = of.end();
  return [ended, ...of.abandonAllBut(own), of.become(own, 'active', periodFrom(own, Date.now()))];
}

/** The next period is paid. */
function goOn(of: Subscription): News[] {
  const { current } = of;
  const isRenewal = current.status === 'active' && !current.is_free_trial;
  const charged = of.charge(current, 'recurring');
  const next = { ...periodFrom(current, Number(current.period_end)), is_free_trial: false };
  const active = of.become(current, 'active', next);
  return [charged, isRenewal ? ['updated', current] : active];
}

function refuseUnpaid({ current }: Subscription): void {
  if (current.plan.is_default) throw impossible('The default plan costs nothing.');
  if (current.is_free_trial) throw impossible('A free trial is not renewed; it ends.');
}

function refuseNoTrial({ is_free_trial: isTrial, status }: ItemRow): void {
  if (!isTrial || status !== 'active') throw impossible('The subscription item is in no free trial.');
}

/** Clerk's own codes for these are not published. */
function impossible(message: string): Refusal {
  return new Refusal(422, 'subscription_change_invalid', message);
}
