import { ask, button, change, line } from './page-parts.js';

/** What a person or an organization subscribes to, as Clerk has it. */
export async function subscriptionOf(path) {
  const response = await ask(`${path}/billing/subscription`);
  return response.json();
}

/** The plan and its status, with what can be done about it in the browser, the calendar and the bank. */
export function billingLine(path, { subscription_items: items }, usualPlan) {
  const post = (name, body = {}) => change('POST', `${path}/billing/${name}`, body);
  const subscribe = async (facts) => {
    const plan = prompt('Which plan?', usualPlan);
    if (plan) await post('subscribe', { plan, ...facts });
  };
  return line(
    button('Subscribe', () => subscribe({})),
    button('Start trial', () => subscribe({ trial: true })),
    button('Cancel', () => post('cancel')),
    button('End period', () => post('renew')),
    button('Fail payment', () => post('fail-payment')),
    button('End trial', () => post('end-trial', { pays: confirm('Does the payer pay from now on?') })),
    items.map(said).join(', then '),
  );
}

function said({ plan, status, is_free_trial: isTrial, period_end: end }) {
  const until = end ? ` until ${new Date(end).toISOString().slice(0, 10)}` : '';
  return `${plan.slug} ${status.replace('_', ' ')}${isTrial ? ' on trial' : ''}${until}`;
}
