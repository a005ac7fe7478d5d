import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'svix';
import { Refusal } from '../../local/clerk/answers.ts';
import type { ApiKeys } from '../../local/clerk/api-keys.ts';
import type { Billing } from '../../local/clerk/billing.ts';
import type { Directory } from '../../local/clerk/directory.ts';
import { type ClerkEvent, type Events, eventOf } from '../../local/clerk/events.ts';
import { newId } from '../../local/clerk/ids.ts';
import { LocalClerk } from '../../local/clerk/local-clerk.ts';
import type { M2MTokens } from '../../local/clerk/m2m-tokens.ts';
import { aMachineToken, MACHINE_JWT, machineClaims } from '../../local/clerk/machine-token.ts';
import { aMembership, type LocalMembership } from '../../local/clerk/membership.ts';
import { anOAuthToken, OAUTH_JWT, type OAuthTokens, oauthClaims } from '../../local/clerk/oauth-tokens.ts';
import { anOrganization, type LocalOrganization, type OrganizationFacts } from '../../local/clerk/organization.ts';
import type { Organizations } from '../../local/clerk/organizations.ts';
import { type LocalUser, localUser } from '../../local/clerk/people.ts';
import type { RoleKey } from '../../local/clerk/roles.ts';
import { claimsOf } from '../../local/clerk/session-token.ts';
import { createSigningKey, type SigningKey, signToken } from '../../local/clerk/signing-key.ts';
import { signed } from '../../local/clerk/webhook-sender.ts';
import { onClose } from './closing.ts';
import { type Answer, call } from './http.ts';

/** How Clerk and the network to it behave; busy, it answers 429; where it misleads something else answers 404. */
type Behaviour = 'answers' | 'busy' | 'fails' | 'hangs' | 'misleads' | 'refuses';

const RETRY_AFTER_S = '7';

/** What the tokens of machines have in common. */
interface TokenFacts {
  subject?: string;
  scopes?: string[];
  secondsUntilExpiration?: number;
}

interface DeliveryFacts {
  /** The `svix-id`. */
  id?: string;
  /** The time of the attempt. */
  at?: Date;
  secret?: string;
  /** Laid over what Svix sends; undefined takes one away. */
  headers?: Record<string, string | undefined>;
}

/** Clerk, replaced at the network: the local Clerk behind a server that counts, and fails on demand. */
export class TestClerk {
  readonly key: SigningKey = createSigningKey();
  readonly calls: string[] = [];
  /** Of the next answers, in Clerk's shape of an error, before it behaves; 429 with a `retry-after` of 7 seconds. */
  statuses: number[] = [];
  behaviour: Behaviour = 'answers';
  #clerk!: LocalClerk;
  #server: Server | undefined;
  #port = 0;

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The settings of a Gatehouse that belongs to this Clerk. */
  get env(): Record<string, string> {
    return {
      CLERK_SECRET_KEY: this.#clerk.secretKey,
      CLERK_PUBLISHABLE_KEY: this.#clerk.publishableKey,
      CLERK_API_URL: this.origin,
      CLERK_ISSUER: this.origin,
      CLERK_WEBHOOK_SIGNING_SECRET: this.webhookSecret,
      CLERK_AUTHORIZED_PARTIES: 'https://app.example.com',
    };
  }

  /** As a production instance, whose limits are higher. */
  get productionEnv(): Record<string, string> {
    const CLERK_PUBLISHABLE_KEY = this.#clerk.publishableKey.replace('pk_test_', 'pk_live_');
    return { ...this.env, NODE_ENV: 'production', CLERK_SECRET_KEY: this.#liveKey, CLERK_PUBLISHABLE_KEY };
  }

  get #liveKey(): string {
    return this.#clerk.secretKey.replace('sk_test_', 'sk_live_');
  }

  get webhookSecret(): string {
    return this.#clerk.webhookSecret;
  }

  get instanceId(): string {
    return this.#clerk.instanceId;
  }

  /** The users and sessions, and what can be done to them; told to who `deliverEventsTo`. */
  get directory(): Directory {
    return this.#clerk.directory;
  }

  /** The organizations, who is in them or invited, and what can be done about it; told to who `deliverEventsTo`. */
  get organizations(): Organizations {
    return this.#clerk.organizations;
  }

  /** What users and organizations subscribe to, and what can be done about it; told to who `deliverEventsTo`. */
  get billing(): Billing {
    return this.#clerk.billing;
  }

  get machineId(): string {
    return this.#clerk.machineId;
  }

  get machineSecretKey(): string {
    return this.#clerk.machineSecretKey;
  }

  /** What can be done to a key: `revoke(id)`, `expire(id)`, `remove(id)`; so with the tokens below. */
  get apiKeys(): ApiKeys {
    return this.#clerk.apiKeys;
  }

  get m2mTokens(): M2MTokens {
    return this.#clerk.m2mTokens;
  }

  get oauthTokens(): OAuthTokens {
    return this.#clerk.oauthTokens;
  }

  /** What is on its way because something changed. */
  get events(): Events {
    return this.#clerk.events;
  }

  static async start(): Promise<TestClerk> {
    const clerk = new TestClerk();
    await clerk.listen();
    onClose(() => clerk.close());
    clerk.#clerk = new LocalClerk({ origin: clerk.origin, key: clerk.key, users: [], organizations: [] });
    onClose(async () => clerk.#clerk.close());
    return clerk;
  }

  async listen(): Promise<void> {
    this.#server = createServer((request, response) => this.#respond(request, response));
    await once(this.#server.listen(this.#port, '127.0.0.1'), 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Nothing listens any more: connections are refused. */
  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  /** From now on each change in the directory is sent to that Gatehouse. */
  deliverEventsTo(url: string): void {
    this.events.url = `${url}/webhooks/clerk`;
  }

  /** An event in Clerk's envelope, of this instance and this moment. */
  anEvent(type: string, data: object, facts: { timestamp?: number; instanceId?: string } = {}): ClerkEvent {
    return eventOf(facts.instanceId ?? this.instanceId, type, data, facts.timestamp);
  }

  /** Signs the event, or these very bytes, delivers it once to that Gatehouse, and gives the answer. */
  deliver(url: string, event: ClerkEvent | string | Buffer, facts: DeliveryFacts = {}): Promise<Answer> {
    const body = typeof event === 'string' || Buffer.isBuffer(event) ? event : JSON.stringify(event);
    const all = { 'content-type': 'application/json', ...this.signedHeaders(body, facts), ...facts.headers };
    const headers = Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => !!entry[1]));
    return call(`${url}/webhooks/clerk`, { method: 'POST', headers, body });
  }

  signedHeaders(body: string | Buffer, facts: DeliveryFacts = {}): Record<string, string> {
    const { id = newId('msg'), at = new Date(), secret = this.webhookSecret } = facts;
    return signed(new Webhook(secret), id, at, body);
  }

  /** Clerk signs with a new key from now on, under a new id or the same. */
  rotateKey({ sameId } = { sameId: false }): void {
    const { kid } = this.key;
    Object.assign(this.key, createSigningKey());
    if (sameId) Object.assign(this.key, { kid, jwk: { ...this.key.jwk, kid } });
  }

  get isListening(): boolean {
    return this.#server?.listening ?? false;
  }

  callsTo(path: string): number {
    return this.calls.filter((called) => called.startsWith(path)).length;
  }

  /** A user that Clerk knows, of whom it tells nobody. */
  aUser(facts: Partial<LocalUser> = {}): LocalUser {
    const id = `user_${randomBytes(12).toString('hex')}`;
    const user = { ...localUser(id, 'Ada', 'Example', `${id}@example.com`), ...facts };
    this.directory.users.add(user);
    return user;
  }

  /** An organization that Clerk knows, as it is now, of which it tells nobody. */
  anOrganization(facts: Partial<OrganizationFacts> = {}): LocalOrganization {
    const organization = anOrganization({ name: 'Acme', ...facts });
    this.organizations.book.organizations.add(organization);
    return this.organizations.get(organization.id);
  }

  /** A membership that Clerk knows, as it is now, of which it tells nobody. */
  aMembership({ id }: { id: string }, user: { id: string }, role: RoleKey = 'org:member'): LocalMembership {
    this.organizations.book.memberships.add(aMembership({ organization_id: id, user_id: user.id, role }));
    return this.organizations.memberships.get(id, user.id);
  }

  /** A session token of the user with that organization active, as the membership and the plan are now. */
  aTokenIn(organization: { id: string }, user: { id: string }, claims: Record<string, unknown> = {}): string {
    const membership = this.organizations.memberships.get(organization.id, user.id);
    return this.aToken({ sub: user.id, ...claimsOf(membership, this.billing.planOf(organization.id)), ...claims });
  }

  /** A session token as Clerk mints it for a user that it knows, with claims and header laid over; undefined takes a claim away. */
  aToken(
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key: SigningKey = this.key,
  ): string {
    const now = Math.floor(Date.now() / 1000);
    const usual = {
      iss: this.origin,
      sub: 'sub' in claims ? undefined : this.aUser().id,
      sid: `sess_${randomBytes(12).toString('hex')}`,
      azp: 'https://app.example.com',
      iat: now,
      nbf: now - 10,
      exp: now + 60,
      jti: randomBytes(10).toString('hex'),
      v: 2,
      fva: [0, -1],
      sts: 'active',
    };
    return signToken(key, { ...usual, ...claims }, header);
  }

  /** An API key that Clerk knows, by default of a new user. */
  anApiKey({ subject = this.aUser().id, ...facts }: TokenFacts & { claims?: object } = {}) {
    const seconds = facts.secondsUntilExpiration;
    return this.apiKeys.create({ name: 'A key', subject, ...facts, seconds_until_expiration: seconds });
  }

  /** An M2M token that Clerk knows, unless it is a JWT, by default from and for `machineId`. */
  anM2MToken({ format, ...facts }: TokenFacts & { claims?: object; format?: 'opaque' | 'jwt' } = {}) {
    const seconds = facts.secondsUntilExpiration;
    return this.m2mTokens.create({ ...facts, token_format: format, seconds_until_expiration: seconds });
  }

  /** An OAuth access token that Clerk knows, by default of a new user. */
  anOAuthToken({ subject = this.aUser().id, ...facts }: TokenFacts & { aud?: string[] } = {}) {
    return this.oauthTokens.create({ ...facts, subject, seconds_until_expiration: facts.secondsUntilExpiration });
  }

  /** The JWT of a machine, by default from and for `machineId`, with claims and header laid over. */
  anM2MJwt(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key = this.key): string {
    const usual = machineClaims(this.origin, aMachineToken({ subject: this.machineId, scopes: [this.machineId] }));
    return signToken(key, { ...usual, ...claims }, { ...MACHINE_JWT, ...header });
  }

  /** The JWT of an OAuth application, by default for a new user, with claims and header laid over. */
  anOAuthJwt(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key = this.key): string {
    const subject = 'sub' in claims ? '' : this.aUser().id;
    const usual = oauthClaims(this.origin, anOAuthToken({ subject }));
    return signToken(key, { ...usual, ...claims }, { ...OAUTH_JWT, ...header });
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    this.calls.push(request.url ?? '');
    const { headers } = request;
    if (headers.authorization === `Bearer ${this.#liveKey}`) headers.authorization = `Bearer ${this.#clerk.secretKey}`;
    const status = this.statuses.shift() ?? (this.behaviour === 'busy' ? 429 : undefined);
    if (status) refuse(response, status);
    else if (this.behaviour === 'answers') this.#clerk.handle(request, response);
    else if (this.behaviour === 'fails') response.writeHead(500).end('upstream error');
    else if (this.behaviour === 'misleads') response.writeHead(404).end('no such page');
    else if (this.behaviour === 'refuses') request.socket.destroy();
  }
}

function refuse(response: ServerResponse, status: number): void {
  const isBusy = status === 429;
  const { body } = new Refusal(status, isBusy ? 'too_many_requests' : 'unexpected', `Clerk answers ${status}`);
  const headers = { 'content-type': 'application/json', ...(isBusy && { 'retry-after': RETRY_AFTER_S }) };
  response.writeHead(status, headers).end(JSON.stringify(body));
}
