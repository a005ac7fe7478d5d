import { databaseConnection } from './database-address.ts';
import { isLoopback } from './loopback.ts';

type Environment = Partial<Record<string, unknown>>;

/** The passwords of docker-compose.yml, and what .env.example shows as a token. */
const EXAMPLES = ['gatehouse', 'owner', 'postgres', 'redis', 'a-long-random-text'];

/** What production starts with but had better not: a line for each, which names the setting and never the value. */
export function productionWarnings(env: Environment): string[] {
  const given = (names: string[]) => names.filter((name) => env[name] !== undefined);
  return [
    ...given(['CLERK_SECRET_KEY', 'CLERK_PUBLISHABLE_KEY'])
      .filter((name) => /^[sp]k_test_/.test(String(env[name])))
      .map((name) => `${name}: is of a development instance of Clerk; use the keys of your production instance`),
    ...given(['CLERK_AUTHORIZED_PARTIES', 'CORS_ORIGINS'])
      .filter((name) => (env[name] as string[]).some((origin) => origin.startsWith('http://')))
      .map((name) => `${name}: names an http:// origin, whose pages anybody on the way can change; use https://`),
    ...given(['DATABASE_URL', 'DATABASE_OWNER_URL', 'DATABASE_LISTEN_URL']).flatMap((name) =>
      databaseWarnings(name, String(env[name])),
    ),
    ...given(['REDIS_URL']).flatMap((name) => redisWarnings(name, new URL(String(env[name])))),
    ...given(['METRICS_TOKEN'])
      .filter((name) => EXAMPLES.includes(String(env[name])))
      .map((name) => `${name}: is the example of .env.example; set a random one`),
  ];
}

function databaseWarnings(name: string, address: string): string[] {
  const { host, password, ssl } = databaseConnection(address);
  const isHere = host.startsWith('/') || isLoopback(host);
  return warningsOf(name, !ssl && !isHere && 'add ?sslmode=verify-full', password);
}

function redisWarnings(name: string, { protocol, hostname, password }: URL): string[] {
  return warningsOf(name, protocol === 'redis:' && !isLoopback(hostname) && 'use rediss://', password);
}

function warningsOf(name: string, encryption: string | false, password: string): string[] {
  return [
    ...(encryption ? [`${name}: reaches another host without TLS; ${encryption}`] : []),
    ...(EXAMPLES.includes(password) ? [`${name}: has the password of docker-compose.yml; set one of your own`] : []),
  ];
}
