import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { createClerkClient } from '@clerk/backend';
import { __experimental_JWTPayloadToAuthObjectProperties as authPropertiesOf } from '@clerk/shared/jwtPayloadParser';
import { LocalClerk, type LocalClerkOptions } from '../../local/clerk/local-clerk.ts';
import { SEEDED_ORGANIZATIONS, SEEDED_USERS } from '../../local/clerk/people.ts';
import { ROLES, type RoleKey } from '../../local/clerk/roles.ts';
import { createSigningKey } from '../../local/clerk/signing-key.ts';
import { onClose } from './closing.ts';
import { type Call, call } from './http.ts';

const PATIENCE_MS = 30_000;

/** Waits for it to hold. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('It does not become so');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What receives webhooks: keeps them, and answers 204 unless told otherwise. */
export class Receiver {
  readonly received: { headers: Record<string, string>; body: string; at: number }[] = [];
  /** The next statuses; 0 breaks the connection off, -1 never answers. */
  statuses: number[] = [];
  url = '';

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    const server = createServer((request, response) => void receiver.#receive(request, response));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onClose(async () => server.close().closeAllConnections());
    receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return receiver;
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = Date.now();
    const body = await text(request);
    this.received.push({ headers: request.headers as Record<string, string>, body, at });
    const status = this.statuses.shift() ?? 204;
    if (status === 0) request.socket.destroy();
    else if (status > 0) response.writeHead(status).end();
  }

  get events() {
    return this.received.map(({ body }) => JSON.parse(body));
  }

  get types(): string[] {
    return this.events.map(({ type }) => type);
  }

  get ids(): (string | undefined)[] {
    return this.received.map(({ headers }) => headers['svix-id']);
  }

  async has(count: number): Promise<void> {
    await until(() => this.received.length >= count);
  }
}

/** A local Clerk, listening, that sends to a receiver of its own. */
export async function aClerk(facts: Partial<LocalClerkOptions> = {}) {
  const receiver = await Receiver.start();
  let clerk: LocalClerk | undefined;
  const server = createServer((request, response) => clerk?.handle(request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  clerk = new LocalClerk({
    origin,
    key: createSigningKey(),
    users: SEEDED_USERS,
    organizations: SEEDED_ORGANIZATIONS,
    webhookUrl: receiver.url,
    retryMs: [10, 20],
    ...facts,
  });
  const { secretKey, pageSecret, publishableKey } = clerk;
  onClose(async () => {
    clerk.close();
    server.close().closeAllConnections();
  });
  return {
    clerk,
    receiver,
    sdk: createClerkClient({ secretKey, publishableKey, apiUrl: origin, telemetry: { disabled: true } }),
    asServer: (path: string, { method, body }: Call = {}) =>
      call(`${origin}${path}`, { method, body, headers: { authorization: `Bearer ${secretKey}` } }),
    asPage: (path: string, { method, body }: Call = {}) =>
      call(`${origin}${path}`, { method, body, headers: { 'x-local-secret': pageSecret } }),
    asNobody: (path: string, options?: Call) => call(`${origin}${path}`, options),
  };
}

export const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

/** What a role may, whatever modules there are; without Clerk's own permissions, which no token has. */
export const permissionsOf = (role: RoleKey) =>
  new Set(ROLES[role].permissions.filter((permission) => !permission.startsWith('org:sys_')));

/** What a token permits, as Clerk's parser reads it. */
export const permissionsIn = (token: string) => new Set(authPropertiesOf(claimsOf(token)).orgPermissions);
