import { createServer } from 'node:http';
import { join } from 'node:path';
import { LOCAL } from '../paths.ts';
import { freePort } from '../ports.ts';
import { LocalClerk } from './local-clerk.ts';
import { SEEDED_ORGANIZATIONS, SEEDED_USERS } from './people.ts';
import { announce, withdraw } from './running.ts';
import { keptSigningKey } from './signing-key.ts';
import { keptWebhookSecret } from './webhook-secret.ts';

const PORT = 4400;
const FOLDER = join(LOCAL, 'clerk');

export interface RunningClerk {
  origin: string;
  /** Of the page. */
  secret: string;
  /** The settings of a Gatehouse that belongs to it. */
  env: Record<string, string>;
  close(): void;
}

/** The local Clerk with the seeded people, listening; its events go to that address. */
export async function startClerk(webhookUrl: string): Promise<RunningClerk> {
  const origin = `http://127.0.0.1:${await freePort(PORT)}`;
  const clerk = new LocalClerk({
    origin,
    key: keptSigningKey(join(FOLDER, 'signing-key.pem')),
    users: SEEDED_USERS,
    organizations: SEEDED_ORGANIZATIONS,
    webhookUrl,
    webhookSecret: keptWebhookSecret(join(FOLDER, 'webhook-secret')),
  });
  const server = createServer(clerk.handle);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(Number(new URL(origin).port), '127.0.0.1', resolve);
  });
  const env = environmentOf(clerk);
  announce(FOLDER, env);
  const close = () => {
    withdraw(FOLDER, env);
    clerk.close();
    server.close();
    server.closeAllConnections();
  };
  return { origin, secret: clerk.pageSecret, env, close };
}

function environmentOf({ secretKey, publishableKey, webhookSecret, options }: LocalClerk): Record<string, string> {
  return {
    CLERK_SECRET_KEY: secretKey,
    CLERK_PUBLISHABLE_KEY: publishableKey,
    CLERK_API_URL: options.origin,
    CLERK_ISSUER: options.origin,
    CLERK_WEBHOOK_SIGNING_SECRET: webhookSecret,
  };
}
