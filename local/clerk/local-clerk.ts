import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, answerOf, Refusal, send } from './answers.ts';
import { ApiKeys } from './api-keys.ts';
import { BackendApi } from './backend-api.ts';
import { Billing } from './billing.ts';
import { Directory } from './directory.ts';
import { Events, type Tell } from './events.ts';
import { newId, newSecret } from './ids.ts';
import { LocalApi } from './local-api.ts';
import { M2MTokens } from './m2m-tokens.ts';
import { OAuthTokens } from './oauth-tokens.ts';
import type { Organizations } from './organizations.ts';
import { pageFile } from './page-file.ts';
import type { LocalUser, SeededOrganization } from './people.ts';
import { mintToken } from './session-token.ts';
import type { SigningKey } from './signing-key.ts';
import { createWebhookSecret } from './webhook-secret.ts';

export interface LocalClerkOptions {
  /** Where it is reached, `http://127.0.0.1:PORT`; also the issuer of its tokens. */
  origin: string;
  key: SigningKey;
  users: LocalUser[];
  organizations: SeededOrganization[];
  /** Where its events go; settable later as `events.url`. */
  webhookUrl?: string;
  /** `whsec_…`; default: a new one. */
  webhookSecret?: string;
  /** The waits between the attempts to deliver an event. */
  retryMs?: number[];
}

/**
 * Stands in for Clerk where nothing is configured: the part of the Backend API that Gatehouse calls, its webhooks, and
 * session tokens for the people it knows. It signs anybody in, so it listens on the loopback alone and is in no production artefact.
 */
export class LocalClerk {
  readonly secretKey = `sk_test_${randomBytes(24).toString('base64url')}`;
  /** The one machine that it knows. */
  readonly machineId = newId('mch');
  readonly machineSecretKey = newSecret('ak');
  /** From the link that is printed at the start; opens what shows a token or changes something. */
  readonly pageSecret = randomBytes(24).toString('base64url');
  readonly publishableKey: string;
  readonly instanceId: string;
  readonly webhookSecret: string;
  readonly events: Events;
  /** The users and their sessions, and what can be done to them. */
  readonly directory: Directory;
  /** What they subscribe to, and what can be done about it. */
  readonly billing: Billing;
  readonly apiKeys: ApiKeys;
  readonly m2mTokens: M2MTokens;
  readonly oauthTokens = new OAuthTokens();
  readonly options: LocalClerkOptions;
  readonly #host: string;
  readonly #backendApi: BackendApi;
  readonly #localApi: LocalApi;

  constructor(options: LocalClerkOptions) {
    this.options = options;
    this.#host = new URL(options.origin).host;
    this.publishableKey = `pk_test_${Buffer.from(`${this.#host}$`).toString('base64')}`;
    this.instanceId = options.key.kid;
    this.webhookSecret = options.webhookSecret ?? createWebhookSecret();
    this.events = new Events({
      instanceId: this.instanceId,
      secret: this.webhookSecret,
      retryMs: options.retryMs,
    });
    this.events.url = options.webhookUrl;
    const tell: Tell = (type, data) => this.#tell(type, data);
    this.directory = new Directory(options.users, options.organizations, tell);
    this.billing = new Billing(this.instanceId, this.directory, tell);
    this.apiKeys = new ApiKeys(this.directory);
    this.m2mTokens = new M2MTokens(this);
    this.#backendApi = new BackendApi(this);
    this.#localApi = new LocalApi(this);
  }

  /** The organizations, who is in them or invited, and what can be done about it. */
  get organizations(): Organizations {
    return this.directory.organizations;
  }

  /**
   * A session token as Clerk mints it for this user, with an organization active or none. It signs the user in, unless a
   * session is given, which must be active. Throws a Refusal.
   */
  mint(userId: string, organizationId?: string, sessionId?: string): string {
    const { id } = this.directory.user(userId);
    const membership = organizationId ? this.organizations.memberships.get(organizationId, id) : undefined;
    const session = sessionId ? this.directory.session(sessionId) : this.directory.signIn(userId);
    if (session.status !== 'active' || session.user_id !== userId)
      throw new Refusal(401, 'authentication_invalid', `The session is ${session.status}; sign in again`);
    const plan = this.billing.planOf(membership?.organization.id ?? id);
    return mintToken(this.options.key, this.options.origin, session, membership, plan);
  }

  /** Answers one request; for `createServer`. */
  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    void answerOf(() => this.#answer(request)).then((answer) => send(response, answer));
  };

  /** Sends no event any more. */
  close(): void {
    this.events.close();
  }

  #tell(type: string, data: object): void {
    if (/^(user|organization)\.deleted$/.test(type)) this.#forget((data as { id: string }).id);
    this.events.send(type, data);
  }

  /** Who is gone neither calls nor pays. */
  #forget(id: string): void {
    this.apiKeys.revokeAllOf(id);
    this.billing.forget(id);
  }

  #answer(request: IncomingMessage): Answer | Promise<Answer> {
    const url = new URL(request.url ?? '/', this.options.origin);
    if (request.headers.host !== this.#host) throw new Refusal(421, 'host_invalid', 'Unknown host');
    if (this.#backendApi.serves(url)) return this.#backendApi.answer(request, url);
    if (url.pathname.startsWith('/local/')) return this.#localApi.answer(request, url);
    return pageFile(request.method, url.pathname);
  }
}
