import type { IncomingMessage } from 'node:http';
import { type Answer, keyInvalid, notImplemented, ok, same } from './answers.ts';
import type { ApiKeys } from './api-keys.ts';
import type { Billing } from './billing.ts';
import { billingRoutes } from './billing-routes.ts';
import type { Directory } from './directory.ts';
import { invitationRoutes } from './invitation-routes.ts';
import type { M2MTokens } from './m2m-tokens.ts';
import { membershipRoutes } from './membership-routes.ts';
import type { OAuthTokens } from './oauth-tokens.ts';
import { organizationRoutes } from './organization-routes.ts';
import { windowOf } from './query.ts';
import { Routes } from './routes.ts';
import type { SigningKey } from './signing-key.ts';
import { apiKeyRoutes, m2mTokenRoutes, oauthTokenRoutes } from './token-routes.ts';
import { userRoutes } from './user-routes.ts';

/** What the SDK asks for without `/v1`. */
const UNVERSIONED = /^\/(api_keys|m2m_tokens|oauth_applications\/access_tokens)(\/|$)/;

interface Instance {
  secretKey: string;
  machineSecretKey: string;
  machineId: string;
  instanceId: string;
  directory: Directory;
  billing: Billing;
  apiKeys: ApiKeys;
  m2mTokens: M2MTokens;
  oauthTokens: OAuthTokens;
  options: { key: SigningKey };
}

/** The part of Clerk's Backend API (2026-05-12) that Gatehouse calls. */
export class BackendApi {
  readonly #instance: Instance;
  readonly #routes: Routes;
  /** With the secret key of the machine. */
  readonly #machineRoutes: Routes;

  constructor(instance: Instance) {
    const { directory, m2mTokens } = instance;
    this.#instance = instance;
    this.#routes = new Routes({
      'GET jwks': () => ok({ keys: [instance.options.key.jwk] }),
      'GET instance': () => ok(this.#describe()),
      ...userRoutes(directory),
      ...organizationRoutes(directory.organizations),
      ...membershipRoutes(directory.organizations),
      ...invitationRoutes(directory.organizations),
      ...billingRoutes(instance.billing, directory),
      ...apiKeyRoutes(instance.apiKeys),
      ...m2mTokenRoutes(m2mTokens),
      ...oauthTokenRoutes(instance.oauthTokens),
      'GET sessions': ({ query }) => ok(this.#listSessions(query)),
      'GET sessions/:id': ({ id }) => ok(directory.session(id)),
      'POST sessions/:id/revoke': ({ id }) => ok(directory.endSession(id)),
    });
    this.#machineRoutes = new Routes(m2mTokenRoutes(m2mTokens, instance.machineId));
  }

  serves({ pathname }: URL): boolean {
    return pathname.startsWith('/v1/') || UNVERSIONED.test(pathname);
  }

  answer(request: IncomingMessage, url: URL): Answer | Promise<Answer> {
    const { secretKey, machineSecretKey } = this.#instance;
    const prefix = url.pathname.startsWith('/v1/') ? '/v1/' : '/';
    const isFrom = (key: string) => same(request.headers.authorization, `Bearer ${key}`);
    const asMachine = isFrom(machineSecretKey) ? this.#machineRoutes.answer(request, url, prefix) : undefined;
    if (!asMachine && !isFrom(secretKey)) throw keyInvalid();
    const answer = asMachine ?? this.#routes.answer(request, url, prefix);
    if (!answer) throw notImplemented(`${request.method} ${url.pathname}`);
    return answer;
  }

  #describe() {
    const { instanceId: id } = this.#instance;
    return { object: 'instance', id, environment_type: 'development', allowed_origins: [], workspace_id: null };
  }

  /** A bare array, unless `paginated`. */
  #listSessions(query: URLSearchParams) {
    const { limit, offset } = windowOf(query);
    const status = query.get('status');
    const sessions = this.#instance.directory.sessions
      .list(query.get('user_id') ?? undefined)
      .filter((session) => status === null || session.status === status);
    const data = sessions.slice(offset, offset + limit);
    return query.get('paginated') === 'true' ? { data, total_count: sessions.length } : data;
  }
}
