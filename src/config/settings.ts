import type { KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { z } from 'zod';
import { holdNearlyEveryone } from './address-ranges.ts';
import { databaseConnection } from './database-address.ts';
import { isLoopback } from './loopback.ts';
import { rsaPublicKey } from './rsa-public-key.ts';
import { DROPPED_IN_URLS, strayCharactersIn, withoutSurroundings } from './stray-characters.ts';
import { productionWarnings } from './warnings.ts';

export { LOOPBACK_HOSTS } from './loopback.ts';

const MAX_CLOCK_SKEW_MS = 60_000;
const MAX_SHUTDOWN_DELAY_MS = 60_000;
const MAX_GRACE_DAYS = 365;
const DAY_MS = 86_400_000;

const LogLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']);
const onOff = z.enum(['on', 'off']).transform((value) => value === 'on');
const wholeNumber = z
  .string()
  .regex(/^\d{1,9}$/, 'must be a whole number')
  .transform(Number);

const postgresUrl = z.string().superRefine((value, context) => {
  try {
    databaseConnection(value);
  } catch (error) {
    context.addIssue((error as Error).message);
  }
});

/** Its path is the number of a database, or nothing. */
const redisUrl = z.string().refine((value) => urlOf(value) && /^rediss?:\/\/[^/?#\s]+(\/\d*)?$/.test(value), {
  error: 'must be a Redis address such as redis://user:password@host:6379',
});

const listenHost = z.string().regex(/^[\w.:%-]+$/, 'must be an address to listen on, such as 127.0.0.1, 0.0.0.0 or ::');

const httpUrl = z.string().refine((value) => isSecureUrl(value), {
  error: 'must be an https:// address (http:// only on this machine)',
});

const apiUrl = httpUrl
  .refine(isBare, 'must be an address without user, query or fragment')
  .transform(withoutSlashAtTheEnd)
  .refine((value) => !value.endsWith('/v1'), 'must be the address without /v1, which is added');

/** Compared as it is written. The slash after the host stays: who compares it knows that it makes no difference there. */
const canonicalUrl = httpUrl.refine(
  (value) => isBare(value) && [value, `${value}/`].includes(urlOf(value)?.href ?? ''),
  'must be written as clients have it, https://api.example.com: in lower case, without port 443, user, query or fragment',
);

const audiences = z
  .string()
  .transform(listOf)
  .refine(
    (items) => items.length > 0 && items.every((item) => urlOf(item) && !/[\s#]/.test(item)),
    'must be addresses of resources such as https://api.example.com, without fragment, comma-separated',
  );

const issuer = httpUrl.transform(withoutSlashAtTheEnd).refine(isWrittenAsIssuer, {
  error:
    'must be written as in the `iss` of your tokens, https://clerk.example.com: in lower case, without port 443, user, query or fragment',
});

/** Schemes of which no app and no browser extension is: their content belongs to nobody, or to whoever wrote a link. */
const NO_ORIGINS = ['about', 'blob', 'data', 'file', 'filesystem', 'ftp', 'javascript', 'ws', 'wss'];

const origin = z.string().refine((value) => isWebOrigin(value) || isAppOrigin(value), {
  error:
    'must be an exact origin such as https://app.example.com or chrome-extension://<id>, without path, slash at the end or wildcard',
});

const origins = z.string().transform(listOf).pipe(z.array(origin).min(1, 'must name at least one origin'));

const jwtKey = z.string().transform((value, context): KeyObject => {
  const key = rsaPublicKey(value);
  if (key) return key;
  context.addIssue(
    'must be the PEM public key (RSA, 2048 bits or more) from Clerk, API keys, JWKS Public Key: -----BEGIN PUBLIC KEY-----…, in lines, with line breaks written \\n, or all of it in base64',
  );
  return z.NEVER;
});

const publishableKey = z.string().refine((value) => frontendApiOf(value) !== undefined, {
  error: 'must be a publishable key (pk_test_… or pk_live_…) from Clerk, API keys',
});

const MAX_WEBHOOK_SECRETS = 4;
const webhookSecrets = z
  .string()
  .transform(listOf)
  .refine(
    (secrets) => secrets.length > 0 && secrets.length <= MAX_WEBHOOK_SECRETS && secrets.every(isWebhookSecret),
    `must be one to ${MAX_WEBHOOK_SECRETS} signing secrets (whsec_…) from Clerk, Webhooks, comma-separated`,
  );

const trustProxy = z.string().transform((value, context): number | string[] => {
  if (/^\d{1,2}$/.test(value)) return Number(value);
  const ranges = listOf(value);
  if (ranges.length > 0 && ranges.every(isRange) && !holdNearlyEveryone(ranges)) return ranges;
  context.addIssue('must be the number of proxies in front, or their addresses as CIDRs; trusting everyone is refused');
  return z.NEVER;
});

/** Every setting by its environment name; an empty value counts as unset. */
const Environment = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  PORT: wholeNumber.refine((port) => port <= 65_535, 'must be at most 65535').default(3000),
  HOST: listenHost.optional(),
  DATABASE_URL: postgresUrl,
  DATABASE_OWNER_URL: postgresUrl.optional(),
  DATABASE_LISTEN_URL: postgresUrl.optional(),
  REDIS_URL: redisUrl.optional(),
  CLERK_SECRET_KEY: z.string().regex(/^sk_(test|live)_[\w.~+/=-]+$/, 'must be a secret key (sk_test_… or sk_live_…)'),
  CLERK_PUBLISHABLE_KEY: publishableKey.optional(),
  CLERK_MACHINE_SECRET_KEY: z
    .string()
    .regex(/^ak_[\w.~+/=-]+$/, 'must be the secret key of a machine (ak_…) from Clerk, Machines')
    .optional(),
  CLERK_MACHINE_ID: z
    .string()
    .regex(/^mch_\w{1,100}$/, 'must be the id of a machine (mch_…) from Clerk, Machines')
    .optional(),
  CLERK_JWT_KEY: jwtKey.optional(),
  CLERK_API_URL: apiUrl.default('https://api.clerk.com'),
  CLERK_ISSUER: issuer.optional(),
  CLERK_INSTANCE_ID: z
    .string()
    .regex(/^ins_\w{1,100}$/, 'must be the id of your instance (ins_…)')
    .optional(),
  CLERK_WEBHOOK_SIGNING_SECRET: webhookSecrets.optional(),
  CLERK_AUTHORIZED_PARTIES: z.union([z.literal('none').transform((): string[] => []), origins]).optional(),
  CLERK_COOKIE_AUTH: onOff.default(true),
  CLERK_CLOCK_SKEW_MS: wholeNumber
    .refine((skew) => skew <= MAX_CLOCK_SKEW_MS, `must be at most ${MAX_CLOCK_SKEW_MS}`)
    .default(5000),
  CLERK_MAX_TOKEN_LIFETIME_S: wholeNumber.refine((seconds) => seconds > 0, 'must be more than 0').default(3600),
  PUBLIC_URL: canonicalUrl.optional(),
  OAUTH_AUDIENCE: audiences.optional(),
  OAUTH_AUDIENCE_REQUIRED: onOff.default(false),
  CORS_ORIGINS: origins.optional(),
  TRUST_PROXY: trustProxy.optional(),
  SHUTDOWN_DELAY_MS: wholeNumber
    .refine((delay) => delay <= MAX_SHUTDOWN_DELAY_MS, `must be at most ${MAX_SHUTDOWN_DELAY_MS}`)
    .optional(),
  API_DOCS: onOff.optional(),
  BILLING_GRACE_DAYS: wholeNumber.pipe(z.number().max(MAX_GRACE_DAYS, `must be at most ${MAX_GRACE_DAYS}`)).default(7),
  METRICS_TOKEN: z
    .string()
    .regex(/^[\w.~+/-]{16,500}=*$/, 'must be a token of 16 characters or more')
    .optional(),
  LOG_LEVEL: LogLevel.default('info'),
});

const WHAT_TO_DO: Partial<Record<keyof z.input<typeof Environment>, string>> = {
  DATABASE_URL: 'set it to the address of the runtime role (npm start brings a PostgreSQL of its own)',
  CLERK_SECRET_KEY: 'copy it from Clerk, API keys (npm start brings a local Clerk when no CLERK_* is set)',
};

/** The settings as the code uses them; times in the unit that the name says. */
export type Settings = ReturnType<typeof toSettings>;

/** Thrown when a setting is missing or wrong; the message has one line for each. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  constructor(lines: string[]) {
    super(['The settings are wrong:', ...lines.map((line) => `  ${line}`)].join('\n'));
  }
}

/** The environment without empty values, and settings without what is around them. The only place that reads process.env. */
export function environment(): Record<string, string> {
  return tidied(process.env);
}

/** The names in the environment that begin so, empty ones too. */
export function namesOf(prefix: string): string[] {
  return Object.keys(process.env).filter((name) => name.startsWith(prefix));
}

/** Checks the environment. Throws a SettingsError that names every wrong setting and what to do. */
export function readSettings(given: Record<string, string> = environment()): Settings {
  const env = tidied(given);
  const parsed = Environment.safeParse(env);
  const lines = [...linesOf(parsed.error?.issues ?? [], env), ...missingTogether(env)];
  if (lines.length > 0 || !parsed.success) throw new SettingsError(lines);
  return toSettings(parsed.data);
}

/** The role that migrates; all that the command line of the ORM needs to know. */
export function readOwnerUrl(given: Record<string, string> = environment()): string {
  const env = tidied(given);
  const parsed = Environment.pick({ DATABASE_URL: true, DATABASE_OWNER_URL: true }).safeParse(env);
  const lines = [...linesOf(parsed.error?.issues ?? [], env), ...needingEncryption(env)];
  if (lines.length > 0 || !parsed.success) throw new SettingsError(lines);
  return parsed.data.DATABASE_OWNER_URL ?? parsed.data.DATABASE_URL;
}

function tidied(env: NodeJS.ProcessEnv): Record<string, string> {
  const isSetting = (name: string) => Object.hasOwn(Environment.shape, name);
  return Object.fromEntries(
    Object.entries(env)
      .map(([name, value = '']): [string, string] => [name, isSetting(name) ? withoutSurroundings(value) : value])
      .filter(([, value]) => value.trim()),
  );
}

const KEY = /^[sp]k_(test|live)_[\w.~+/=-]+$/;

function toSettings(env: z.output<typeof Environment>) {
  const production = env.NODE_ENV === 'production';
  const frontendApi = env.CLERK_PUBLISHABLE_KEY && frontendApiOf(env.CLERK_PUBLISHABLE_KEY);
  const host = env.HOST ?? (production ? '0.0.0.0' : '127.0.0.1');
  const publicUrl = env.PUBLIC_URL ?? (production ? undefined : addressOf(host, env.PORT));
  return {
    production,
    port: env.PORT,
    host,
    databaseUrl: env.DATABASE_URL,
    databaseOwnerUrl: env.DATABASE_OWNER_URL ?? env.DATABASE_URL,
    databaseListenUrl: env.DATABASE_LISTEN_URL ?? env.DATABASE_URL,
    /** Undefined: nothing is shared between processes but the database. */
    redisUrl: env.REDIS_URL,
    clerk: {
      secretKey: env.CLERK_SECRET_KEY,
      publishableKey: env.CLERK_PUBLISHABLE_KEY,
      /** Undefined: tokens between machines are verified with the secret key. */
      machineSecretKey: env.CLERK_MACHINE_SECRET_KEY,
      /** Undefined: where this service is a machine, the route must say which. */
      machineId: env.CLERK_MACHINE_ID,
      jwtKey: env.CLERK_JWT_KEY,
      apiUrl: env.CLERK_API_URL,
      issuers: [env.CLERK_ISSUER ?? `https://${frontendApi}`],
      /** Undefined: it is asked of Clerk's API. */
      instanceId: env.CLERK_INSTANCE_ID,
      webhookSecrets: env.CLERK_WEBHOOK_SIGNING_SECRET ?? [],
      /** Exact origins that may appear as `azp`; undefined: any (never in production). */
      authorizedParties: env.CLERK_AUTHORIZED_PARTIES,
      cookieAuth: env.CLERK_COOKIE_AUTH,
      clockSkewMs: env.CLERK_CLOCK_SKEW_MS,
      maxTokenLifetimeS: env.CLERK_MAX_TOKEN_LIFETIME_S,
    },
    oauth: {
      /** The resources that an OAuth token may be for; none: no token that names one is for us. */
      audiences: env.OAUTH_AUDIENCE ?? [publicUrl ?? []].flat(),
      isAudienceRequired: env.OAUTH_AUDIENCE_REQUIRED,
    },
    corsOrigins: env.CORS_ORIGINS ?? env.CLERK_AUTHORIZED_PARTIES ?? [],
    trustProxy: env.TRUST_PROXY,
    /** Between "not ready" and refusing connections. */
    shutdownDelayMs: env.SHUTDOWN_DELAY_MS ?? (production ? 5000 : 0),
    apiDocs: env.API_DOCS ?? !production,
    /** How long a plan goes on after a payment failed. */
    billingGraceMs: env.BILLING_GRACE_DAYS * DAY_MS,
    /** Undefined: /metrics is open, but closed in production. */
    metricsToken: env.METRICS_TOKEN,
    logLevel: env.LOG_LEVEL,
    /** For the log of a start in production. */
    warnings: production ? productionWarnings(env) : [],
  };
}

/** What no single setting can say of itself. */
function missingTogether(env: Record<string, string>): string[] {
  const lines: string[] = [];
  if (!env.CLERK_ISSUER && !env.CLERK_PUBLISHABLE_KEY)
    lines.push('CLERK_PUBLISHABLE_KEY: is missing; copy it from Clerk, API keys, or set CLERK_ISSUER');
  if (env.NODE_ENV === 'production' && !env.CLERK_AUTHORIZED_PARTIES)
    lines.push(
      'CLERK_AUTHORIZED_PARTIES: is missing; name the origins of your web clients, or "none" if all clients are native',
    );
  lines.push(...needingEncryption(env), ...mismatchOfKeys(env));
  if (env.NODE_ENV !== 'production') lines.push(...needingProduction(env));
  return lines;
}

/** Libraries read PGSSLMODE where an address is silent; here the address alone counts, and nothing may go on in clear by that. */
function needingEncryption(env: Record<string, string>): string[] {
  const addresses = ['DATABASE_URL', 'DATABASE_OWNER_URL', 'DATABASE_LISTEN_URL'];
  const silent = addresses.filter((name) => env[name] && !/[?&]sslmode=/.test(env[name]));
  return env.PGSSLMODE
    ? silent.map((name) => `${name}: names no sslmode, and PGSSLMODE is not read; write it there`)
    : [];
}

/** With the keys of two instances each good token would be refused. */
function mismatchOfKeys({ CLERK_SECRET_KEY = '', CLERK_PUBLISHABLE_KEY = '' }: Record<string, string>): string[] {
  const [secret, publishable] = [CLERK_SECRET_KEY, CLERK_PUBLISHABLE_KEY].map((key) => KEY.exec(key)?.[1]);
  if (!secret || !publishable || secret === publishable) return [];
  return [
    `CLERK_PUBLISHABLE_KEY: is pk_${publishable}_…, but CLERK_SECRET_KEY is sk_${secret}_…; copy both from one instance`,
  ];
}

/** Development takes tokens of any origin and shows metrics and documentation to everybody. */
function needingProduction({ CLERK_SECRET_KEY = '', CLERK_PUBLISHABLE_KEY = '', HOST = '' }: Record<string, string>) {
  const lines: string[] = [];
  if ([CLERK_SECRET_KEY, CLERK_PUBLISHABLE_KEY].some((key) => KEY.exec(key)?.[1] === 'live'))
    lines.push('NODE_ENV: must be production with live keys (sk_live_…, pk_live_…); set it, or use test keys');
  if (listenHost.safeParse(HOST).success && !isLoopback(HOST))
    lines.push('NODE_ENV: must be production where others can reach HOST; set it, or set HOST to 127.0.0.1');
  return lines;
}

/** The first complaint about each setting: a list may be wrong in several places. */
function linesOf(issues: z.core.$ZodIssue[], env: Record<string, string>): string[] {
  return [...new Map(issues.toReversed().map((issue) => [issue.path[0], lineOf(issue, env)])).values()].toReversed();
}

/** One line that names the setting and says what is wrong, never its value: it may be a secret. */
function lineOf(issue: z.core.$ZodIssue, env: Record<string, string>): string {
  const name = String(issue.path[0]);
  const advice = WHAT_TO_DO[name as keyof typeof WHAT_TO_DO];
  if (env[name] === undefined) return `${name}: is missing${advice ? `; ${advice}` : ''}`;
  const stray = name === 'CLERK_JWT_KEY' ? undefined : strayCharactersIn(listOf(env[name]).join());
  return `${name}: ${complaintOf(issue)}${stray ? `; it has ${stray} in it` : ''}`;
}

function complaintOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union') return 'must be "none" or exact origins such as https://app.example.com';
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.join(', ')}`;
  return issue.message;
}

/** The host that a publishable key carries: `pk_test_` or `pk_live_` and base64 of `host$` (Clerk, environment variables). */
function frontendApiOf(key: string): string | undefined {
  const encoded = /^pk_(?:test|live)_([A-Za-z0-9+/=_-]+)$/.exec(key)?.[1];
  const host = encoded && Buffer.from(encoded, 'base64').toString('utf8');
  if (!host || !/^[a-z0-9.-]+\.[a-z0-9-]+(:\d+)?\$$/.test(host)) return undefined;
  return isWrittenAsIssuer(`https://${host.slice(0, -1)}`) ? host.slice(0, -1) : undefined;
}

/** A parser forgives capitals, ports, tabs and more; `iss` is compared as it is written. */
function isWrittenAsIssuer(value: string): boolean {
  const url = urlOf(value);
  if (!url || url.hostname.endsWith('.') || url.pathname.startsWith('/.well-known/')) return false;
  return withoutSlashAtTheEnd(url.origin + url.pathname) === value;
}

function addressOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function withoutSlashAtTheEnd(address: string): string {
  return address.replace(/\/+$/, '');
}

/** What Clerk shows: `whsec_` and base64 (Standard Webhooks, 24 to 64 bytes). */
function isWebhookSecret(value: string): boolean {
  return /^whsec_(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value);
}

function urlOf(value: string): URL | undefined {
  return URL.canParse(value) && !DROPPED_IN_URLS.test(value) ? new URL(value) : undefined;
}

function isSecureUrl(value: string): boolean {
  const url = /\s/.test(value) ? undefined : urlOf(value);
  return url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
}

function isBare(value: string): boolean {
  const url = urlOf(value);
  return url?.href === `${url?.origin}${url?.pathname}`;
}

function isWebOrigin(value: string): boolean {
  return urlOf(value)?.origin === value && /^https?:\/\/[^*]+$/.test(value);
}

/** What a browser extension or an app shell sends as `Origin`; for these schemes a URL parser says "null" (URL Standard, 4.7). */
function isAppOrigin(value: string): boolean {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\/[\w.-]+(:\d{1,5})?$/.exec(value)?.[1];
  return scheme !== undefined && !['http', 'https', ...NO_ORIGINS].includes(scheme);
}

function listOf(value: string): string[] {
  return value.split(',').map(withoutSurroundings).filter(Boolean);
}

function isRange(value: string): boolean {
  const [address = '', bits = '', ...rest] = value.split('/');
  const family = isIP(address);
  if (!family || rest.length > 0) return false;
  return !value.includes('/') || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}
