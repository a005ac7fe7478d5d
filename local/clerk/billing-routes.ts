import { ok, readJson, unprocessable } from './answers.ts';
import type { Billing } from './billing.ts';
import { canceling, endingTrial, extending, subscribing, switchOf } from './billing-form.ts';
import type { Directory } from './directory.ts';
import { PLANS } from './plans.ts';
import { refuseUnknown, windowOf } from './query.ts';
import type { Call, Route } from './routes.ts';

/** Of the Backend API, which subscribes nobody: people do that in the browser. */
export function billingRoutes(billing: Billing, directory: Directory): Record<string, Route> {
  return {
    'GET billing/plans': ({ query }) => ok(listedPlans(query)),
    ...ofEachPayer(directory, 'GET', 'subscription', (id) => billing.get(id)),
    'DELETE billing/subscription_items/:id': ({ id, query }) =>
      ok(billing.cancelItem(id, { endNow: switchOf(query, 'end_now') })),
    'POST billing/subscription_items/:id/extend_free_trial': async ({ request, id }) =>
      ok(billing.extendTrial(id, extending(await readJson(request)))),
  };
}

/** What the payer does in the browser, the calendar, and the bank. */
export function payingRoutes(billing: Billing, directory: Directory): Record<string, Route> {
  const post = (name: string, does: (id: string, body: Record<string, unknown>) => object) =>
    ofEachPayer(directory, 'POST', name, async (id, { request }) => does(id, await readJson(request)));
  return {
    ...post('subscribe', (id, body) => billing.subscribe(id, ...subscribing(body))),
    ...post('cancel', (id, body) => billing.cancel(id, canceling(body))),
    ...post('renew', (id) => billing.renew(id)),
    ...post('fail-payment', (id) => billing.failPayment(id)),
    ...post('end-trial', (id, body) => billing.endTrial(id, endingTrial(body))),
  };
}

function ofEachPayer(
  { users, organizations }: Directory,
  method: string,
  name: string,
  answer: (id: string, call: Call) => object | Promise<object>,
): Record<string, Route> {
  return {
    [`${method} users/:id/billing/${name}`]: async (call) => ok(await answer(users.known(call.id).id, call)),
    [`${method} organizations/:id/billing/${name}`]: async (call) =>
      ok(await answer(organizations.get(call.id).id, call)),
  };
}

/** Newest first. */
function listedPlans(query: URLSearchParams) {
  refuseUnknown(query, ['payer_type', 'paginated']);
  const { limit, offset } = windowOf(query);
  const payer = query.get('payer_type');
  if (payer !== null && payer !== 'user' && payer !== 'org')
    throw unprocessable('form_param_value_invalid', 'payer_type', 'must be user or org');
  const plans = PLANS.filter((plan) => payer === null || plan.for_payer_type === payer).toReversed();
  return { data: plans.slice(offset, offset + limit), total_count: plans.length };
}
