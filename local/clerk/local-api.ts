import type { IncomingMessage } from 'node:http';
import { type Answer, notFound, notImplemented, ok, Refusal, readBody, readJson, same } from './answers.ts';
import type { ApiKeys } from './api-keys.ts';
import type { Billing } from './billing.ts';
import { billingRoutes, payingRoutes } from './billing-routes.ts';
import type { Directory } from './directory.ts';
import { eventRequest } from './event-request.ts';
import type { Events } from './events.ts';
import { invitationRoutes } from './invitation-routes.ts';
import { membershipRoutes } from './membership-routes.ts';
import { acceptingUser } from './organization-form.ts';
import { organizationRoutes } from './organization-routes.ts';
import { type Call, Routes } from './routes.ts';
import { askedKey } from './token-form.ts';
import { userRoutes } from './user-routes.ts';

interface Clerk {
  pageSecret: string;
  directory: Directory;
  billing: Billing;
  apiKeys: ApiKeys;
  events: Events;
  options: { origin: string };
  mint(userId: string, organizationId?: string, sessionId?: string): string;
}

/** What signs somebody in and changes somebody: for the page, and for who was given the printed line. */
export class LocalApi {
  readonly #clerk: Clerk;
  readonly #routes: Routes;

  constructor(clerk: Clerk) {
    const { directory, billing, events, apiKeys } = clerk;
    this.#clerk = clerk;
    this.#routes = new Routes({
      'GET people': () => ok(this.#people()),
      'POST tokens': async ({ request }) => ok(this.#token(new URLSearchParams(await readBody(request)))),
      'POST api-keys': async ({ request }) =>
        ok(apiKeys.create(askedKey(new URLSearchParams(await readBody(request)))).secret),
      'GET events': () => ok(events.list()),
      'POST events': async ({ request }) => ok(this.#send(await readJson(request))),
      'POST users/:id/sign-out': ({ id }) => ok(directory.signOutEverywhere(directory.user(id).id)),
      'POST organizations/:id/invitations/:invitationId/accept': async (call) => ok(await this.#accept(call)),
      ...userRoutes(directory),
      ...organizationRoutes(directory.organizations),
      ...membershipRoutes(directory.organizations),
      ...invitationRoutes(directory.organizations),
      ...billingRoutes(billing, directory),
      ...payingRoutes(billing, directory),
    });
  }

  async answer(request: IncomingMessage, url: URL): Promise<Answer> {
    this.#authorize(request);
    const answer = this.#routes.answer(request, url, '/local/');
    if (!answer) throw notImplemented(`${request.method} ${url.pathname}`);
    return answer;
  }

  #authorize({ headers }: IncomingMessage): void {
    const isSameOrigin = headers.origin === undefined || headers.origin === this.#clerk.options.origin;
    if (!isSameOrigin || !same(headers['x-local-secret'], this.#clerk.pageSecret))
      throw new Refusal(403, 'authorization_invalid', 'Use the link that the start printed');
  }

  #people() {
    const { directory } = this.#clerk;
    return [...directory.users.all()].map((user) => ({
      id: user.id,
      name: [user.first_name, user.last_name].filter(Boolean).join(' '),
      first_name: user.first_name,
      last_name: user.last_name,
      email: user.email_addresses[0]?.email_address,
      banned: user.banned,
      sessions: directory.sessions.active(user.id).length,
      organizations: this.#organizationsOf(user.id),
    }));
  }

  #organizationsOf(userId: string) {
    const { book } = this.#clerk.directory.organizations;
    return [...book.membershipsOf(userId).all()].map(({ organization_id: id, role }) => ({
      id,
      name: book.organization(id).name,
      role: role.replace('org:', ''),
    }));
  }

  /** As who follows the link of the mail: whoever has that address, or signs up with it. */
  async #accept({ request, id, invitationId }: Call): Promise<object> {
    const { directory } = this.#clerk;
    const userId = acceptingUser(await readJson(request));
    const { email_address: email } = directory.organizations.invitations.pending(id, invitationId);
    const user = userId
      ? directory.user(userId)
      : (directory.users.withEmail(email) ?? directory.createUser({ emails: [email] }));
    return directory.organizations.invitations.accept(id, invitationId, user.id);
  }

  #token(form: URLSearchParams): string {
    const [userId = '', organizationId, sessionId] = ['user_id', 'organization_id', 'session_id'].map(
      (name) => form.get(name) || undefined,
    );
    return this.#clerk.mint(userId, organizationId, sessionId);
  }

  #send(body: Record<string, unknown>): object {
    const { events, directory, billing } = this.#clerk;
    const asked = eventRequest(body, directory, billing);
    if ('replay' in asked) {
      if (!events.replay(asked.replay)) throw notFound('No such event is kept');
      return { id: asked.replay };
    }
    if (asked.event) return { id: events.send(asked.event.type, asked.event.data, asked.sending) ?? null };
    events.spoilNext(asked.sending);
    return { id: null };
  }
}
