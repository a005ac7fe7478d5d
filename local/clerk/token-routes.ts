import { keyInvalid, notImplemented, ok, readJson, unprocessable } from './answers.ts';
import type { ApiKeys } from './api-keys.ts';
import type { M2MTokens } from './m2m-tokens.ts';
import { type OAuthTokens, shownOAuthToken } from './oauth-tokens.ts';
import { refuseUnknown, windowOf } from './query.ts';
import type { Route } from './routes.ts';
import { newApiKey, newMachineToken, revocationReason, secretIn } from './token-form.ts';

const MAX_LIMIT = 100;

export function apiKeyRoutes(apiKeys: ApiKeys): Record<string, Route> {
  return {
    'GET api_keys': ({ query }) => ok(listed(apiKeys, query)),
    'POST api_keys': async ({ request }) => ok(apiKeys.create(newApiKey(await readJson(request)))),
    'POST api_keys/verify': async ({ request }) => ok(apiKeys.withSecret(secretIn(await readJson(request), 'secret'))),
    'GET api_keys/:id': ({ id }) => ok(apiKeys.get(id)),
    'DELETE api_keys/:id': ({ id }) => ok(apiKeys.delete(id)),
    'POST api_keys/:id/revoke': async ({ request, id }) =>
      ok(apiKeys.revoke(id, revocationReason(await readJson(request)))),
  };
}

/** To the machine that calls, or, where none does, to who has the secret key of the instance. */
export function m2mTokenRoutes(tokens: M2MTokens, machineId?: string): Record<string, Route> {
  return {
    'POST m2m_tokens': async ({ request }) => {
      if (machineId === undefined) throw keyInvalid('Only the secret key of a machine makes M2M tokens.');
      return { status: 201, body: tokens.create(newMachineToken(await readJson(request))) };
    },
    'POST m2m_tokens/verify': async ({ request }) =>
      ok(tokens.verify(secretIn(await readJson(request), 'token'), machineId)),
    'POST m2m_tokens/:id/revoke': async ({ request, id }) =>
      ok(tokens.revoke(id, revocationReason(await readJson(request)), machineId)),
  };
}

export function oauthTokenRoutes(tokens: OAuthTokens): Record<string, Route> {
  return {
    'POST oauth_applications/access_tokens/verify': async ({ request }) =>
      ok(shownOAuthToken(tokens.withSecret(secretIn(await readJson(request), 'access_token')))),
  };
}

function listed(apiKeys: ApiKeys, query: URLSearchParams) {
  refuseUnknown(query, ['subject', 'include_invalid']);
  if (query.has('order_by')) throw notImplemented('parameter order_by there');
  const { limit, offset } = windowOf(query, MAX_LIMIT);
  const [subject, all] = [query.get('subject'), query.get('include_invalid') ?? 'false'];
  if (!subject) throw unprocessable('form_param_missing', 'subject', 'subject must be included.');
  if (all !== 'true' && all !== 'false')
    throw unprocessable('form_param_value_invalid', 'include_invalid', 'must be true or false');
  const keys = apiKeys.list((key) => key.subject === subject && (all === 'true' || !(key.revoked || key.expired)));
  return { data: keys.slice(offset, offset + limit), total_count: keys.length };
}
