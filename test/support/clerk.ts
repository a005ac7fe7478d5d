import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LocalClerk } from '../../local/clerk/local-clerk.ts';
import { type LocalUser, localUser } from '../../local/clerk/people.ts';
import { createSigningKey, type SigningKey, signToken } from '../../local/clerk/signing-key.ts';
import { onClose } from './closing.ts';

/** How the network to Clerk behaves. */
type Behaviour = 'answers' | 'fails' | 'hangs' | 'refuses';

/** Clerk, replaced at the network: the local Clerk behind a server that counts, and fails on demand. */
export class TestClerk {
  readonly key: SigningKey = createSigningKey();
  readonly calls: string[] = [];
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
      CLERK_AUTHORIZED_PARTIES: 'https://app.example.com',
    };
  }

  static async start(): Promise<TestClerk> {
    const clerk = new TestClerk();
    await clerk.listen();
    onClose(() => clerk.close());
    clerk.#clerk = new LocalClerk({ origin: clerk.origin, key: clerk.key, users: [], organizations: [] });
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

  /** Clerk signs with a new key from now on, under a new id or the same. */
  rotateKey({ sameId } = { sameId: false }): void {
    const { kid } = this.key;
    Object.assign(this.key, createSigningKey());
    if (sameId) Object.assign(this.key, { kid, jwk: { ...this.key.jwk, kid } });
  }

  callsTo(path: string): number {
    return this.calls.filter((call) => call.startsWith(path)).length;
  }

  /** A user that Clerk knows. */
  aUser(facts: Partial<LocalUser> = {}): LocalUser {
    const id = `user_${randomBytes(12).toString('hex')}`;
    const user = { ...localUser(id, 'Ada', 'Example', `${id}@example.com`), ...facts };
    this.#clerk.users.set(user.id, user);
    return user;
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

  #respond(request: IncomingMessage, response: ServerResponse): void {
    this.calls.push(request.url ?? '');
    if (this.behaviour === 'answers') this.#clerk.handle(request, response);
    else if (this.behaviour === 'fails') response.writeHead(500).end('upstream error');
    else if (this.behaviour === 'refuses') request.socket.destroy();
  }
}
