import type { IncomingMessage } from 'node:http';
import { type Answer, notImplemented, ok, Refusal, same } from './answers.ts';
import type { Directory } from './directory.ts';
import { invitationRoutes } from './invitation-routes.ts';
import { membershipRoutes } from './membership-routes.ts';
import { organizationRoutes } from './organization-routes.ts';
import { windowOf } from './query.ts';
import { Routes } from './routes.ts';
import type { SigningKey } from './signing-key.ts';
import { userRoutes } from './user-routes.ts';

interface Instance {
  secretKey: string;
  instanceId: string;
  directory: Directory;
  options: { key: SigningKey };
}

/** The part of Clerk's Backend API (2026-05-12) that Gatehouse calls. */
export class BackendApi {
  readonly #instance: Instance;
  readonly #routes: Routes;

  constructor(instance: Instance) {
    const { directory } = instance;
    this.#instance = instance;
    this.#routes = new Routes({
      'GET jwks': () => ok({ keys: [instance.options.key.jwk] }),
      'GET instance': () => ok(this.#describe()),
      ...userRoutes(directory),
      ...organizationRoutes(directory.organizations),
      ...membershipRoutes(directory.organizations),
      ...invitationRoutes(directory.organizations),
      'GET sessions': ({ query }) => ok(this.#listSessions(query)),
      'GET sessions/:id': ({ id }) => ok(directory.session(id)),
      'POST sessions/:id/revoke': ({ id }) => ok(directory.endSession(id)),
    });
  }

  answer(request: IncomingMessage, url: URL): Answer | Promise<Answer> {
    if (!same(request.headers.authorization, `Bearer ${this.#instance.secretKey}`))
      throw new Refusal(401, 'clerk_key_invalid', 'The provided Clerk Secret Key is invalid.');
    const answer = this.#routes.answer(request, url, '/v1/');
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
