import { generateKeyPairSync } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { databaseConnection, readSettings, type Settings, SettingsError } from '../src/config/index.ts';
import { environment, readOwnerUrl } from '../src/config/settings.ts';

type Environment = Record<string, string | undefined>;

const DATABASE = 'postgres://gatehouse:pw@127.0.0.1:5432/gatehouse';

const PEM = publicPem(generateKeyPairSync('rsa', { modulusLength: 2048 }));
const PRIVATE_PEM = String(
  generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
);
const SECRET = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
const WEAK_PEM = publicPem(generateKeyPairSync('rsa', { modulusLength: 1024 }));
const PSS_PEM = publicPem(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }));
const CURVE_PEM = publicPem(generateKeyPairSync('ec', { namedCurve: 'P-256' }));

/** Settings with which the start succeeds; undefined takes one away. */
function anEnvironment(settings: Environment = {}): Record<string, string> {
  const env: Environment = {
    DATABASE_URL: DATABASE,
    CLERK_SECRET_KEY: 'sk_test_c2VjcmV0',
    CLERK_PUBLISHABLE_KEY: publishableKey('clever-fox-1.clerk.accounts.dev$'),
    ...settings,
  };
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function aProduction(settings: Environment = {}): Record<string, string> {
  return anEnvironment({ NODE_ENV: 'production', CLERK_AUTHORIZED_PARTIES: 'https://app.example.com', ...settings });
}

function publishableKey(content: string, prefix = 'pk_test_'): string {
  return prefix + Buffer.from(content).toString('base64');
}

function publicPem({ publicKey }: ReturnType<typeof generateKeyPairSync>): string {
  return String(publicKey.export({ type: 'spki', format: 'pem' }));
}

/** The whole of IPv4, in ranges of so many bits. */
function piecesOf(bits: number): string[] {
  return Array.from({ length: 2 ** bits }, (_, index) => {
    const first = index * 2 ** (32 - bits);
    return `${[24, 16, 8, 0].map((shift) => (first >>> shift) & 255).join('.')}/${bits}`;
  });
}

/** The error's lines, one for each setting, without their indentation. */
function complaintsOf(env: Record<string, string>): string[] {
  const error = errorOf(() => readSettings(env));
  expect(error).toBeInstanceOf(SettingsError);
  return error.message
    .split('\n')
    .slice(1)
    .map((line) => line.trim());
}

function errorOf(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('Nothing was thrown');
}

/** The settings that are complained about, by the alphabet. */
const namesOf = (lines: string[]) => sorted(lines.map((line) => line.split(':', 1)[0] ?? ''));
const sorted = (words: string[]) => words.toSorted((a, b) => a.localeCompare(b));

describe('a wrong setting', () => {
  it.each<[name: string, what: string, value: string | undefined, says: RegExp]>([
    ['NODE_ENV', 'an unknown environment', 'staging', /one of development, test, production/],
    ['NODE_ENV', 'another case', 'Production', /one of development, test, production/],
    ['PORT', 'a name', 'http', /whole number/],
    ['PORT', 'negative', '-1', /whole number/],
    ['PORT', 'a fraction', '3000.5', /whole number/],
    ['PORT', 'hexadecimal', '0xbb8', /whole number/],
    ['PORT', 'above 65535', '65536', /at most 65535/],
    ['PORT', 'far above', '99999999999', /whole number/],
    ['DATABASE_URL', 'missing', undefined, /is missing; set it/],
    ['DATABASE_URL', 'a secret without form', 'hunter2-hunter2', /postgres:\/\/user:password@host/],
    ['DATABASE_URL', 'another database', 'mysql://root:hunter2@127.0.0.1/x', /PostgreSQL address/],
    ['DATABASE_OWNER_URL', 'another database', 'https://root:hunter2@127.0.0.1/x', /PostgreSQL address/],
    ['DATABASE_LISTEN_URL', 'another database', 'redis://127.0.0.1', /PostgreSQL address/],
    ['DATABASE_URL', 'with a parameter that is not understood', `${DATABASE}?pgbouncer=true`, /parameter pgbouncer/],
    ['DATABASE_URL', 'with a time-out of its own', `${DATABASE}?connect_timeout=5`, /parameter connect_timeout/],
    ['DATABASE_URL', 'with ssl instead of sslmode', `${DATABASE}?ssl=true`, /parameter ssl is not understood/],
    ['DATABASE_URL', 'that may end up in clear', `${DATABASE}?sslmode=prefer`, /sslmode must be one of/],
    ['DATABASE_OWNER_URL', 'with an unknown sslmode', `${DATABASE}?sslmode=on`, /sslmode must be one of/],
    ['DATABASE_LISTEN_URL', 'with an empty sslmode', `${DATABASE}?sslmode=`, /sslmode is empty/],
    ['DATABASE_URL', 'with an empty certificate', `${DATABASE}?sslmode=require&sslrootcert=`, /sslrootcert is empty/],
    ['DATABASE_URL', 'cut by a #', `${DATABASE}#x?sslmode=require`, /#/],
    ['DATABASE_URL', 'without a database', 'postgres://gatehouse@db.example.com', /names no database/],
    ['DATABASE_URL', 'with a % in the password', 'postgres://gatehouse:5%@db/x', /write it as %25/],
    [
      'DATABASE_URL',
      'with a certificate that is none',
      `${DATABASE}?sslmode=require&sslrootcert=${new URL('../package.json', import.meta.url).pathname}`,
      /sslrootcert is not PEM/,
    ],
    ['DATABASE_URL', 'with sslmode twice', `${DATABASE}?sslmode=require&sslmode=disable`, /sslmode is there twice/],
    ['DATABASE_URL', 'with a certificate and no sslmode', `${DATABASE}?sslrootcert=/ca.pem`, /needs sslmode/],
    ['DATABASE_URL', 'with a key and no certificate', `${DATABASE}?sslmode=require&sslkey=/k`, /need each other/],
    [
      'DATABASE_URL',
      'with a certificate that is not there',
      `${DATABASE}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem`,
      /sslrootcert cannot be read \(ENOENT\)/,
    ],
    [
      'DATABASE_URL',
      'with a line break in its host',
      'postgres://a:b@db.exam\nple.com/x',
      /address.*a line break in it/,
    ],
    ['DATABASE_OWNER_URL', 'with a tab in its password', 'postgres://a:b\tc@db/x', /PostgreSQL address.*a tab in it/],
    ['DATABASE_URL', 'of two hosts', 'postgres://gatehouse@a,b/gatehouse', /one host/],
    ['REDIS_URL', 'another database', 'postgres://127.0.0.1', /Redis address/],
    ['REDIS_URL', 'a host alone', 'localhost:6379', /Redis address/],
    ['REDIS_URL', 'with a name for a database', 'redis://127.0.0.1/cache', /Redis address/],
    ['REDIS_URL', 'with a line break', 'redis://:pw@redis.exam\nple.com', /Redis address.*a line break in it/],
    ['REDIS_URL', 'with half of its quotes', '"redis://127.0.0.1', /Redis address.*a quote in it/],
    ['HOST', 'with a port', '127.0.0.1 3000', /address to listen on.*a blank in it/],
    ['HOST', 'with half of its quotes', "'127.0.0.1", /address to listen on.*a quote in it/],
    ['PORT', 'with a comment', '3000 # of the proxy', /whole number.*a blank in it/],
    ['CLERK_MACHINE_SECRET_KEY', 'with a line break', 'ak_abc\ndef', /ak_….*a line break in it/],
    ['CLERK_MACHINE_ID', 'the id of an instance', 'ins_2abc', /mch_…/],
    ['PUBLIC_URL', 'no address', 'api.example.com', /https:\/\//],
    ['PUBLIC_URL', 'in clear', 'http://api.example.com', /https:\/\//],
    ['PUBLIC_URL', 'with a query', 'https://api.example.com?a=1', /without port 443, user, query or fragment/],
    ['PUBLIC_URL', 'in capitals', 'https://API.example.com', /in lower case/],
    ['PUBLIC_URL', 'with the port that needs no word', 'https://api.example.com:443', /without port 443/],
    ['OAUTH_AUDIENCE', 'a name', 'api', /such as https:/],
    ['OAUTH_AUDIENCE', 'with a fragment', 'https://api.example.com#a', /without fragment/],
    ['OAUTH_AUDIENCE_REQUIRED', 'a word', 'yes', /one of on, off/],
    ['CLERK_MACHINE_SECRET_KEY', 'the secret key of the instance', 'sk_live_c2VjcmV0', /ak_…/],
    ['CLERK_INSTANCE_ID', 'of something else', 'user_2abc', /ins_…/],
    ['CLERK_WEBHOOK_SIGNING_SECRET', 'without its prefix', SECRET.slice(6), /whsec_…/],
    ['CLERK_WEBHOOK_SIGNING_SECRET', 'no base64', `${SECRET}%`, /whsec_…/],
    ['CLERK_WEBHOOK_SIGNING_SECRET', 'too short to be one', 'whsec_AAAA', /whsec_…/],
    ['CLERK_WEBHOOK_SIGNING_SECRET', 'five of them', Array(5).fill(SECRET).join(), /one to 4/],
    ['METRICS_TOKEN', 'short enough to guess', 'secret', /16 characters/],
    ['METRICS_TOKEN', 'with a space', 'sixteen characters', /16 characters/],
    ['CLERK_SECRET_KEY', 'missing', undefined, /is missing; copy it from Clerk/],
    ['CLERK_SECRET_KEY', 'the publishable key', 'pk_test_c2VjcmV0', /sk_test_… or sk_live_…/],
    ['CLERK_SECRET_KEY', 'without content', 'sk_test_', /sk_test_… or sk_live_…/],
    ['CLERK_SECRET_KEY', 'with a space', 'sk_live_ab cd', /sk_test_… or sk_live_…/],
    ['CLERK_SECRET_KEY', 'with a line break', 'sk_live_ab\r\ncd', /sk_live_….*a line break in it/],
    ['CLERK_SECRET_KEY', 'with half of its quotes', 'sk_live_abcd"', /sk_live_….*a quote in it/],
    ['CLERK_SECRET_KEY', 'with a space of no width', 'sk_live_ab\u200bcd', /an invisible character in it/],
    ['CLERK_SECRET_KEY', 'of no instance type', 'sk_c2VjcmV0', /sk_test_… or sk_live_…/],
    ['CLERK_PUBLISHABLE_KEY', 'the secret key', 'sk_test_c2VjcmV0', /publishable key/],
    ['CLERK_PUBLISHABLE_KEY', 'undecodable', 'pk_test_%%%', /publishable key/],
    ['CLERK_PUBLISHABLE_KEY', 'of random bytes', 'pk_test_AAECAwQFBgc=', /publishable key/],
    ['CLERK_PUBLISHABLE_KEY', 'a host without its $', publishableKey('clerk.example.com'), /publishable key/],
    ['CLERK_PUBLISHABLE_KEY', 'a host without a dot', publishableKey('localhost$'), /publishable key/],
    ['CLERK_PUBLISHABLE_KEY', 'a host in capitals', publishableKey('Clerk.Example.com$'), /publishable key/],
    ['CLERK_PUBLISHABLE_KEY', 'a host with the default port', publishableKey('clerk.example.com:443$'), /publishable/],
    ['CLERK_PUBLISHABLE_KEY', 'a path', publishableKey('clerk.example.com/x$'), /publishable key/],
    ['CLERK_JWT_KEY', 'not PEM', 'MIIBIjANBgkqhkiG9w0BAQEFAAOC', /PEM public key/],
    ['CLERK_JWT_KEY', 'a key set', '{"keys":[{"kty":"RSA","n":"hunter2","e":"AQAB"}]}', /PEM public key/],
    ['CLERK_JWT_KEY', 'base64 of something else', Buffer.from('hunter2'.repeat(50)).toString('base64'), /PEM public/],
    ['CLERK_JWT_KEY', 'a private key', PRIVATE_PEM, /PEM public key/],
    ['CLERK_JWT_KEY', 'a private key in base64', Buffer.from(PRIVATE_PEM).toString('base64'), /PEM public key/],
    ['CLERK_JWT_KEY', 'two keys', PEM + PEM, /PEM public key/],
    ['CLERK_JWT_KEY', 'PEM that is cut', PEM.slice(0, 200), /PEM public key/],
    ['CLERK_JWT_KEY', 'RSA of 1024 bits', WEAK_PEM, /RSA, 2048 bits or more/],
    ['CLERK_JWT_KEY', 'for another padding than RS256 has', PSS_PEM, /RSA, 2048 bits or more/],
    ['CLERK_JWT_KEY', 'of an elliptic curve', CURVE_PEM, /RSA, 2048 bits or more/],
    ['CLERK_API_URL', 'http to elsewhere', 'http://api.clerk.com', /https:\/\//],
    [
      'CLERK_API_URL',
      'http to a name that only begins like the loopback',
      'http://127.0.0.1.example.com',
      /https:\/\//,
    ],
    ['CLERK_API_URL', 'no address', 'api.clerk.com', /https:\/\//],
    ['CLERK_API_URL', 'another scheme', 'file:///etc/passwd', /https:\/\//],
    ['CLERK_API_URL', 'with a user', 'https://me@api.clerk.com', /without user, query or fragment/],
    ['CLERK_API_URL', 'with a password', 'https://:hunter2@api.clerk.com', /without user, query or fragment/],
    ['CLERK_API_URL', 'with a query', 'https://api.clerk.com?key=hunter2', /without user, query or fragment/],
    ['CLERK_API_URL', 'with an empty query', 'https://api.clerk.com/?', /without user, query or fragment/],
    ['CLERK_API_URL', 'with a fragment', 'http://127.0.0.1:4400/#v1', /without user, query or fragment/],
    ['CLERK_API_URL', 'with a tab', 'https://api.clerk\t.com', /https:\/\/.*a tab in it/],
    ['CLERK_API_URL', 'with a blank', 'https://proxy.example.com/my clerk', /https:\/\/.*a blank in it/],
    ['CLERK_API_URL', 'with the version that is added', 'https://api.clerk.com/v1/', /without \/v1/],
    ['CLERK_ISSUER', 'with a line break in it', 'https://clerk.exam\nple.com', /https:\/\/.*a line break in it/],
    ['CLERK_ISSUER', 'with a tab in it', 'https://clerk\t.example.com', /https:\/\/.*a tab in it/],
    ['CLERK_ISSUER', 'in capitals', 'https://Clerk.example.com', /`iss`/],
    ['CLERK_ISSUER', 'of a scheme in capitals', 'HTTPS://clerk.example.com', /`iss`/],
    ['CLERK_ISSUER', 'with the default port', 'https://clerk.example.com:443', /`iss`/],
    ['CLERK_ISSUER', 'with an empty port', 'https://clerk.example.com:', /`iss`/],
    ['CLERK_ISSUER', 'with a dot at the end of its host', 'https://clerk.example.com.', /`iss`/],
    ['CLERK_ISSUER', 'with one slash', 'https:/clerk.example.com', /`iss`/],
    ['CLERK_ISSUER', 'with backslashes', 'https:\\\\clerk.example.com', /`iss`/],
    ['CLERK_ISSUER', 'with a user', 'https://me@clerk.example.com', /`iss`/],
    ['CLERK_ISSUER', 'with a query', 'https://clerk.example.com?x=1', /`iss`/],
    ['CLERK_ISSUER', 'with an empty fragment', 'https://clerk.example.com/#', /`iss`/],
    ['CLERK_ISSUER', 'of a name that is written otherwise in a token', 'https://clerk.müller.example', /`iss`/],
    ['CLERK_ISSUER', 'with a path that goes back', 'https://clerk.example.com/a/../b', /`iss`/],
    ['CLERK_ISSUER', 'the address of its keys', 'https://clerk.example.com/.well-known/jwks.json', /`iss`/],
    ['CLERK_ISSUER', 'http to elsewhere', 'http://clerk.example.com', /https:\/\//],
    ['CLERK_ISSUER', 'no address', 'clerk.example.com', /https:\/\//],
    ['CLERK_AUTHORIZED_PARTIES', 'everyone', '*', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'a wildcard', 'https://*.example.com', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'a path', 'https://app.example.com/app', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'a trailing slash', 'https://app.example.com/', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'no scheme', 'app.example.com', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'the default port', 'https://app.example.com:443', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'credentials', 'https://me@app.example.com', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'capitals, which no browser sends', 'https://App.example.com', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'none among others', 'none,https://app.example.com', /exact origin/],
    [
      'CLERK_AUTHORIZED_PARTIES',
      'one wrong among right ones',
      'https://a.example.com,https://b.example.com/',
      /exact origin/,
    ],
    ['CLERK_AUTHORIZED_PARTIES', 'the opaque origin', 'null', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'an extension with a slash', 'chrome-extension://abcdefgh/', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'an extension with a path', 'chrome-extension://abcdefgh/popup.html', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'every extension', 'chrome-extension://*', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'a scheme alone', 'capacitor://', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'an app with credentials', 'capacitor://me@localhost', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'a file', 'file://localhost', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'a script', 'javascript://localhost', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'a socket', 'wss://app.example.com', /exact origin/],
    ['CLERK_AUTHORIZED_PARTIES', 'a list of nothing', ' , ,', /at least one origin/],
    ['CLERK_COOKIE_AUTH', 'a boolean', 'true', /one of on, off/],
    ['CLERK_CLOCK_SKEW_MS', 'above a minute', '60001', /at most 60000/],
    ['CLERK_CLOCK_SKEW_MS', 'negative', '-5', /whole number/],
    ['CLERK_CLOCK_SKEW_MS', 'with a unit', '5s', /whole number/],
    ['CLERK_MAX_TOKEN_LIFETIME_S', 'nothing', '0', /more than 0/],
    ['BILLING_GRACE_DAYS', 'above a year', '366', /at most 365/],
    ['BILLING_GRACE_DAYS', 'negative', '-1', /whole number/],
    ['CLERK_MAX_TOKEN_LIFETIME_S', 'endless', 'Infinity', /whole number/],
    ['CORS_ORIGINS', 'everyone', '*', /exact origin/],
    ['CORS_ORIGINS', 'a wildcard', 'https://*.example.com', /exact origin/],
    ['CORS_ORIGINS', 'a trailing slash', 'https://app.example.com/', /exact origin/],
    ['CORS_ORIGINS', 'the opaque origin', 'null', /exact origin/],
    ['CORS_ORIGINS', 'a list of nothing', ',', /at least one origin/],
    ['TRUST_PROXY', 'everyone', 'true', /trusting everyone is refused/],
    ['TRUST_PROXY', 'every IPv4 address', '0.0.0.0/0', /trusting everyone is refused/],
    ['TRUST_PROXY', 'every IPv6 address', '::/0', /trusting everyone is refused/],
    ['TRUST_PROXY', 'every address, written otherwise', '10.0.0.0/8,0.0.0.0/00', /trusting everyone is refused/],
    ['TRUST_PROXY', 'every IPv4 address in two pieces', '0.0.0.0/1,128.0.0.0/1', /everyone is refused/],
    ['TRUST_PROXY', 'in four pieces', '0.0.0.0/2,64.0.0.0/2,128.0.0.0/2,192.0.0.0/2', /everyone is refused/],
    ['TRUST_PROXY', 'every IPv6 address in two pieces', '::/1,8000::/1', /everyone is refused/],
    ['TRUST_PROXY', 'every IPv6 address that is given out', '2000::/3', /everyone is refused/],
    [
      'TRUST_PROXY',
      'the IPv6 addresses of all registries',
      '2400::/12,2600::/12,2800::/12,2a00::/12,2c00::/12',
      /everyone is/,
    ],
    ['TRUST_PROXY', 'half of IPv4, beside a private range', '10.0.0.0/8,128.0.0.0/1', /everyone is refused/],
    ['TRUST_PROXY', 'in pieces of /8', piecesOf(8).join(), /everyone is refused/],
    ['TRUST_PROXY', 'in pieces of /8 but some', piecesOf(8).slice(40, 200).join(), /everyone is refused/],
    ['TRUST_PROXY', 'in pieces of /12, in no order', piecesOf(12).toReversed().join(), /everyone is refused/],
    ['TRUST_PROXY', 'in pieces, with the bits of hosts', '10.1.2.3/1,200.1.2.3/1', /everyone is refused/],
    ['TRUST_PROXY', 'IPv4 written as IPv6', '::ffff:0.0.0.0/96', /everyone is refused/],
    ['TRUST_PROXY', 'IPv4 written as IPv6, in pieces', '::ffff:0:0/97,::ffff:8000:0/97', /everyone is refused/],
    ['TRUST_PROXY', 'garbage', 'the load balancer', /addresses as CIDRs/],
    ['TRUST_PROXY', 'a range that is too narrow', '10.0.0.0/33', /addresses as CIDRs/],
    ['TRUST_PROXY', 'a range without bits', '10.0.0.0/', /addresses as CIDRs/],
    ['TRUST_PROXY', 'an address that is none', '10.0.0.256', /addresses as CIDRs/],
    ['TRUST_PROXY', 'one wrong among right ones', '10.0.0.0/8,everyone', /addresses as CIDRs/],
    ['SHUTDOWN_DELAY_MS', 'above a minute', '60001', /at most 60000/],
    ['SHUTDOWN_DELAY_MS', 'with a unit', '5s', /whole number/],
    ['API_DOCS', 'a boolean', '1', /one of on, off/],
    ['LOG_LEVEL', 'unknown', 'verbose', /one of fatal, error, warn, info, debug, trace, silent/],
  ])('%s that is %s stops the start with one line that names it', (name, _what, value, says) => {
    const lines = complaintsOf(anEnvironment({ [name]: value }));
    expect(namesOf(lines)).toEqual([name]);
    expect(lines[0]).toMatch(says);
  });

  it.each<[name: string, value: string, secret: string]>([
    ['DATABASE_URL', 'mysql://root:hunter2@127.0.0.1/x', 'hunter2'],
    ['DATABASE_URL', 'hunter2', 'hunter2'],
    ['DATABASE_OWNER_URL', 'mysql://root:hunter2@127.0.0.1/x', 'hunter2'],
    ['DATABASE_URL', 'postgres://me:pass?hunter2@127.0.0.1/x', 'hunter2'],
    ['DATABASE_URL', `${DATABASE}?sslmode=hunter2`, 'hunter2'],
    ['CLERK_SECRET_KEY', 'sk_live_hunter2 hunter2', 'hunter2'],
    ['CLERK_SECRET_KEY', 'hunter2', 'hunter2'],
    ['CLERK_PUBLISHABLE_KEY', 'sk_live_hunter2', 'hunter2'],
    ['CLERK_MACHINE_SECRET_KEY', 'sk_live_hunter2', 'hunter2'],
    ['REDIS_URL', 'redis://:hunter2@127.0.0.1/x', 'hunter2'],
    ['CLERK_JWT_KEY', '-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----', 'hunter2'],
    ['CLERK_API_URL', 'http://me:hunter2@api.clerk.com', 'hunter2'],
    ['CLERK_ISSUER', 'http://me:hunter2@clerk.example.com', 'hunter2'],
    ['CLERK_AUTHORIZED_PARTIES', 'https://me:hunter2@app.example.com', 'hunter2'],
    ['CORS_ORIGINS', 'https://me:hunter2@app.example.com', 'hunter2'],
    ['LOG_LEVEL', 'hunter2', 'hunter2'],
    ['PORT', 'hunter2', 'hunter2'],
  ])('%s is named without its value, which may be a secret in the wrong place', (name, value, secret) => {
    const { message, cause } = errorOf(() => readSettings(anEnvironment({ [name]: value })));
    expect(message).toContain(name);
    expect(message).not.toContain(secret);
    expect(cause).toBeUndefined();
  });
});

describe('what is around a value', () => {
  const DIRECT = `${DATABASE}?application_name=direct`;
  /** Every setting, with a value that is not its default. */
  const all = {
    NODE_ENV: 'production',
    PORT: '4711',
    HOST: '10.0.0.5',
    DATABASE_URL: DATABASE,
    DATABASE_OWNER_URL: 'postgres://gatehouse_owner:pw@127.0.0.1:5432/gatehouse',
    DATABASE_LISTEN_URL: DIRECT,
    REDIS_URL: 'rediss://:pw@redis.example.com:6379/1',
    CLERK_SECRET_KEY: 'sk_live_c2VjcmV0',
    CLERK_PUBLISHABLE_KEY: publishableKey('clerk.example.com$', 'pk_live_'),
    CLERK_MACHINE_SECRET_KEY: 'ak_c2VjcmV0',
    CLERK_MACHINE_ID: 'mch_2abc',
    CLERK_JWT_KEY: PEM,
    CLERK_API_URL: 'https://proxy.example.com/clerk',
    CLERK_ISSUER: 'https://example.com/__clerk',
    CLERK_INSTANCE_ID: 'ins_2abc',
    CLERK_WEBHOOK_SIGNING_SECRET: SECRET,
    CLERK_AUTHORIZED_PARTIES: 'https://app.example.com',
    CLERK_COOKIE_AUTH: 'off',
    CLERK_CLOCK_SKEW_MS: '4000',
    CLERK_MAX_TOKEN_LIFETIME_S: '60',
    PUBLIC_URL: 'https://api.example.com/v',
    OAUTH_AUDIENCE: 'https://one.example,urn:two',
    OAUTH_AUDIENCE_REQUIRED: 'on',
    CORS_ORIGINS: 'https://admin.example.com',
    TRUST_PROXY: '2',
    SHUTDOWN_DELAY_MS: '3000',
    API_DOCS: 'on',
    BILLING_GRACE_DAYS: '3',
    METRICS_TOKEN: 'a-token-of-20-letters',
    LOG_LEVEL: 'debug',
  };
  const plain = ({ clerk, ...settings }: Settings) => ({
    ...settings,
    clerk: { ...clerk, jwtKey: clerk.jwtKey?.export({ type: 'spki', format: 'pem' }) },
  });

  it.each<[what: string, around: (value: string) => string]>([
    ['a line break', (value) => `${value}\n`],
    ['a line break of Windows', (value) => `${value}\r\n`],
    ['blanks and a tab', (value) => ` \t${value}  `],
    ['quotes', (value) => `"${value}"`],
    ['single quotes, and a line break', (value) => `'${value}'\n`],
    ['blanks inside quotes', (value) => `" ${value}\n"`],
    ['quotes of a text processor', (value) => `\u201c${value}\u201d`],
    ['a byte order mark', (value) => `\ufeff${value}`],
    ['spaces of no width and of no break', (value) => `\u200b${value}\u00a0`],
  ])('counts for no setting: %s', (_what, around) => {
    const expected = plain(readSettings(all));
    for (const [name, value] of Object.entries(all))
      expect({ name, ...plain(readSettings({ ...all, [name]: around(value) })) }).toEqual({ name, ...expected });
  });

  it('counts for no item of a list', () => {
    const lists = {
      CORS_ORIGINS: '"https://a.example.com", "https://b.example.com"',
      TRUST_PROXY: "'10.0.0.0/8',\n'fd00::/8'\n",
      CLERK_WEBHOOK_SIGNING_SECRET: `"${SECRET}","${SECRET}"`,
    };
    expect(readSettings(anEnvironment(lists))).toMatchObject({
      corsOrigins: ['https://a.example.com', 'https://b.example.com'],
      trustProxy: ['10.0.0.0/8', 'fd00::/8'],
      clerk: { webhookSecrets: [SECRET, SECRET] },
    });
  });

  it('counts for no address of the role that migrates, and quotes around nothing are nothing', () => {
    expect(readOwnerUrl({ DATABASE_URL: `"${DATABASE}"\n`, DATABASE_OWNER_URL: '""' })).toBe(DATABASE);
  });

  it.each(['https://example.com/__clerk/', 'https://example.com/__clerk//', ' https://example.com/__clerk/\n'])(
    'may be slashes where an issuer ends: %j',
    (CLERK_ISSUER) => {
      expect(readSettings(anEnvironment({ CLERK_ISSUER })).clerk.issuers).toEqual(['https://example.com/__clerk']);
    },
  );
});

describe('several wrong settings', () => {
  it('have one line each', () => {
    const wrong = {
      PORT: 'http',
      DATABASE_URL: undefined,
      CLERK_SECRET_KEY: 'x',
      TRUST_PROXY: 'true',
      LOG_LEVEL: 'loud',
    };
    expect(namesOf(complaintsOf(anEnvironment(wrong)))).toEqual(sorted(Object.keys(wrong)));
  });

  it('are told by their name once, however much is wrong with one', () => {
    const lists = { CORS_ORIGINS: 'x,y,z', CLERK_AUTHORIZED_PARTIES: 'x,y', TRUST_PROXY: 'x,y' };
    expect(namesOf(complaintsOf(anEnvironment(lists)))).toEqual(sorted(Object.keys(lists)));
  });

  it('are told together with what only misses in combination', () => {
    const lines = complaintsOf({ NODE_ENV: 'production', PORT: 'http' });
    expect(namesOf(lines)).toEqual([
      'CLERK_AUTHORIZED_PARTIES',
      'CLERK_PUBLISHABLE_KEY',
      'CLERK_SECRET_KEY',
      'DATABASE_URL',
      'PORT',
    ]);
  });
});

describe('settings that need each other', () => {
  it('name the origins of the clients in production', () => {
    const lines = complaintsOf(aProduction({ CLERK_AUTHORIZED_PARTIES: undefined }));
    expect(lines).toEqual([expect.stringMatching(/^CLERK_AUTHORIZED_PARTIES: is missing; .*"none"/)]);
  });

  it('leave the origins open elsewhere', () => {
    expect(readSettings(anEnvironment()).clerk.authorizedParties).toBeUndefined();
  });

  it.each([
    ['a live publishable key', 'sk_test_c2VjcmV0', 'pk_live_'],
    ['a live secret key', 'sk_live_c2VjcmV0', 'pk_test_'],
  ])('are keys of one instance: not one of a development instance and %s', (_what, CLERK_SECRET_KEY, prefix) => {
    const CLERK_PUBLISHABLE_KEY = publishableKey('clerk.example.com$', prefix);
    for (const NODE_ENV of ['production', 'development']) {
      const lines = complaintsOf(aProduction({ NODE_ENV, CLERK_SECRET_KEY, CLERK_PUBLISHABLE_KEY }));
      expect(lines).toContainEqual(expect.stringMatching(/^CLERK_PUBLISHABLE_KEY: .*CLERK_SECRET_KEY.*one instance/));
    }
  });

  it('need an issuer, from either of two settings', () => {
    const lines = complaintsOf(anEnvironment({ CLERK_PUBLISHABLE_KEY: undefined }));
    expect(lines).toEqual([expect.stringMatching(/^CLERK_PUBLISHABLE_KEY: is missing; .*CLERK_ISSUER/)]);
    const env = anEnvironment({ CLERK_PUBLISHABLE_KEY: undefined, CLERK_ISSUER: 'https://clerk.example.com' });
    expect(readSettings(env).clerk.issuers).toEqual(['https://clerk.example.com']);
  });
});

describe('a setting that is not given', () => {
  it('has the documented default', () => {
    expect(readSettings(anEnvironment())).toMatchObject({
      production: false,
      port: 3000,
      host: '127.0.0.1',
      corsOrigins: [],
      trustProxy: undefined,
      shutdownDelayMs: 0,
      apiDocs: true,
      logLevel: 'info',
      clerk: {
        apiUrl: 'https://api.clerk.com',
        issuers: ['https://clever-fox-1.clerk.accounts.dev'],
        jwtKey: undefined,
        cookieAuth: true,
        clockSkewMs: 5000,
        maxTokenLifetimeS: 3600,
      },
    });
  });

  it('has a stricter default in production, where the process is reached from outside', () => {
    expect(readSettings(aProduction())).toMatchObject({
      production: true,
      host: '0.0.0.0',
      apiDocs: false,
      shutdownDelayMs: 5000,
    });
  });

  it.each([
    ['HOST', '10.0.0.5', { host: '10.0.0.5' }],
    ['API_DOCS', 'on', { apiDocs: true }],
    ['CLERK_COOKIE_AUTH', 'off', { clerk: { cookieAuth: false } }],
    ['CLERK_CLOCK_SKEW_MS', '60000', { clerk: { clockSkewMs: 60_000 } }],
    ['CLERK_CLOCK_SKEW_MS', '0', { clerk: { clockSkewMs: 0 } }],
    ['CLERK_MAX_TOKEN_LIFETIME_S', '1', { clerk: { maxTokenLifetimeS: 1 } }],
    ['BILLING_GRACE_DAYS', '365', { billingGraceMs: 31_536_000_000 }],
    ['BILLING_GRACE_DAYS', '0', { billingGraceMs: 0 }],
    ['CLERK_ISSUER', 'https://issuer.example.com', { clerk: { issuers: ['https://issuer.example.com'] } }],
    ['CLERK_API_URL', 'https://proxy.example.com/clerk/', { clerk: { apiUrl: 'https://proxy.example.com/clerk' } }],
    ['CLERK_API_URL', 'http://127.0.0.1:4400', { clerk: { apiUrl: 'http://127.0.0.1:4400' } }],
    ['CLERK_API_URL', 'http://localhost:4400', { clerk: { apiUrl: 'http://localhost:4400' } }],
    ['CLERK_API_URL', 'http://[::1]:4400', { clerk: { apiUrl: 'http://[::1]:4400' } }],
    ['CLERK_AUTHORIZED_PARTIES', 'none', { clerk: { authorizedParties: [] }, corsOrigins: [] }],
    ['PORT', '65535', { port: 65_535 }],
    ['TRUST_PROXY', '2', { trustProxy: 2 }],
    ['TRUST_PROXY', '10.0.0.0/8, fd00::/8,192.0.2.1', { trustProxy: ['10.0.0.0/8', 'fd00::/8', '192.0.2.1'] }],
    [
      'TRUST_PROXY',
      'fc00::/7,fe80::/10,::1,127.0.0.0/8',
      { trustProxy: ['fc00::/7', 'fe80::/10', '::1', '127.0.0.0/8'] },
    ],
    ['SHUTDOWN_DELAY_MS', '0', { shutdownDelayMs: 0 }],
    ['LOG_LEVEL', 'silent', { logLevel: 'silent' }],
  ])('gives way to %s=%s', (name, value, expected) => {
    expect(readSettings(aProduction({ [name]: value }))).toMatchObject(expected);
  });

  it('comes from another that is: the owner from the runtime role, CORS from the parties', () => {
    const parties = 'https://app.example.com, http://localhost:5173';
    const { corsOrigins, clerk, ...settings } = readSettings(anEnvironment({ CLERK_AUTHORIZED_PARTIES: parties }));
    expect(clerk.authorizedParties).toEqual(['https://app.example.com', 'http://localhost:5173']);
    expect(corsOrigins).toEqual(clerk.authorizedParties);
    expect(settings.databaseOwnerUrl).toBe(settings.databaseUrl);
  });

  it('is not taken from another when it is given', () => {
    const env = aProduction({
      CORS_ORIGINS: 'https://admin.example.com',
      DATABASE_OWNER_URL: 'postgresql://owner@db/x',
    });
    expect(readSettings(env)).toMatchObject({
      corsOrigins: ['https://admin.example.com'],
      databaseOwnerUrl: 'postgresql://owner@db/x',
      databaseUrl: anEnvironment().DATABASE_URL,
      clerk: { authorizedParties: ['https://app.example.com'] },
    });
  });
});

describe('an origin', () => {
  it.each([
    'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
    'moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc',
    'safari-web-extension://4CE0BC0F-1D1A-4B3E-8B3C-0A2B6A1D2E3F',
    'capacitor://localhost',
    'ionic://localhost',
    'tauri://localhost',
    'app://-',
    'custom+scheme://app.example.com:8080',
  ])('may be %s, which a URL parser calls null', (origin) => {
    const parties = `https://app.example.com,${origin}`;
    const { clerk, corsOrigins } = readSettings(aProduction({ CLERK_AUTHORIZED_PARTIES: parties }));
    expect(clerk.authorizedParties).toEqual(['https://app.example.com', origin]);
    expect(corsOrigins).toEqual(clerk.authorizedParties);
  });
});

describe('ranges of proxies', () => {
  const PRIVATE = '10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,169.254.0.0/16,172.16.0.0/12,192.168.0.0/16,fc00::/7,fe80::/10';

  it.each([
    ['all that are private', PRIVATE],
    ['those beside a public one', `${PRIVATE},17.0.0.0/8`],
    ['of a network for content', '173.245.48.0/20,104.16.0.0/13,162.158.0.0/15,2400:cb00::/32,2a06:98c0::/29'],
    ['a private one in pieces', piecesOf(16).slice(2560, 2816).join()],
  ])('may be %s', (_what, TRUST_PROXY) => {
    expect(readSettings(aProduction({ TRUST_PROXY })).trustProxy).toEqual(TRUST_PROXY.split(','));
  });
});

describe('what production lets pass', () => {
  const LIVE = {
    CLERK_SECRET_KEY: 'sk_live_c2VjcmV0',
    CLERK_PUBLISHABLE_KEY: publishableKey('clerk.example.com$', 'pk_live_'),
  };
  const namesIn = (settings: Environment) => readSettings(aProduction({ ...LIVE, ...settings })).warnings;

  it.each<[string, Environment, RegExp[]]>([
    ['nothing', {}, []],
    [
      'keys of a development instance',
      { ...anEnvironment(), DATABASE_URL: DATABASE },
      [/^CLERK_SECRET_KEY: .*development/, /^CLERK_PUBLISHABLE_KEY: .*development/],
    ],
    [
      'a web client in clear',
      { CLERK_AUTHORIZED_PARTIES: 'https://a.example.com,http://b.example.com' },
      [/^CLERK_AUTHORIZED_PARTIES: .*http:/],
    ],
    ['another origin in clear', { CORS_ORIGINS: 'http://b.example.com' }, [/^CORS_ORIGINS: .*http:/]],
    [
      'a database in clear',
      { DATABASE_URL: 'postgres://a:b@db.example.com/x' },
      [/^DATABASE_URL: .*sslmode=verify-full/],
    ],
    [
      'a database in clear, for its owner',
      { DATABASE_OWNER_URL: 'postgres://a:b@10.0.0.7/x?sslmode=disable' },
      [/^DATABASE_OWNER_URL: .*sslmode=verify-full/],
    ],
    [
      'a database in clear, for wake-ups',
      { DATABASE_LISTEN_URL: 'postgres://a:b@db/x' },
      [/^DATABASE_LISTEN_URL: .*sslmode/],
    ],
    ['a database with TLS', { DATABASE_URL: 'postgres://a:b@db.example.com/x?sslmode=require' }, []],
    ['a database by a socket', { DATABASE_URL: 'postgres://localhost/x?host=/var/run/postgresql' }, []],
    ['a Redis in clear', { REDIS_URL: 'redis://:secret@redis.example.com' }, [/^REDIS_URL: .*rediss:/]],
    ['a Redis with TLS', { REDIS_URL: 'rediss://:secret@redis.example.com' }, []],
    ['a Redis of this machine', { REDIS_URL: 'redis://:secret@[::1]:6379' }, []],
    [
      'passwords of docker-compose.yml',
      {
        DATABASE_URL: 'postgres://gatehouse:gatehouse@127.0.0.1/gatehouse',
        DATABASE_OWNER_URL: 'postgres://gatehouse_owner:owner@127.0.0.1/gatehouse',
        REDIS_URL: 'redis://:redis@127.0.0.1',
      },
      [/^DATABASE_URL: .*password/, /^DATABASE_OWNER_URL: .*password/, /^REDIS_URL: .*password/],
    ],
    ['the token of .env.example', { METRICS_TOKEN: 'a-long-random-text' }, [/^METRICS_TOKEN: .*example/]],
  ])('is warned of in one line for each setting: %s', (_what, settings, lines) => {
    expect(namesIn(settings)).toEqual(lines.map((line) => expect.stringMatching(line)));
    expect(namesIn(settings).join()).not.toMatch(/secret@|gatehouse:gatehouse|b@/);
  });

  it('is nothing to warn of elsewhere', () => {
    expect(readSettings(anEnvironment({ REDIS_URL: 'redis://:redis@redis' })).warnings).toEqual([]);
  });
});

describe('what only production may have', () => {
  const live = {
    CLERK_SECRET_KEY: 'sk_live_c2VjcmV0',
    CLERK_PUBLISHABLE_KEY: undefined,
    CLERK_ISSUER: 'https://clerk.example.com',
  };
  const LIVE_PUBLISHABLE = publishableKey('clerk.example.com$', 'pk_live_');

  it.each<[string, Environment]>([
    ['a live secret key', live],
    ['both live keys', { ...live, CLERK_PUBLISHABLE_KEY: LIVE_PUBLISHABLE }],
    ['a live secret key in a test', { ...live, NODE_ENV: 'test' }],
    ['a live secret key in development', { ...live, NODE_ENV: 'development' }],
    ['every address', { HOST: '0.0.0.0' }],
    ['every IPv6 address', { HOST: '::' }],
    ['an address of the network', { HOST: '10.0.0.5' }],
    ['a name', { HOST: 'api.example.com' }],
  ])('stops the start elsewhere: %s', (_what, settings) => {
    const lines = complaintsOf(anEnvironment(settings));
    expect(namesOf(lines)).toEqual(['NODE_ENV']);
    expect(lines[0]).toMatch(/must be production/);
  });

  it('starts in production', () => {
    const keys = { ...live, CLERK_PUBLISHABLE_KEY: LIVE_PUBLISHABLE, HOST: '10.0.0.5' };
    expect(readSettings(aProduction(keys))).toMatchObject({ production: true, host: '10.0.0.5' });
  });

  it.each(['127.0.0.1', '::1', 'localhost'])('is not the loopback: %s', (HOST) => {
    expect(readSettings(anEnvironment({ HOST })).host).toBe(HOST);
  });
});

describe('the address of a database', () => {
  const read = (query: string, base = 'postgres://a%40b:p%2Fw@db.example.com/app') => databaseConnection(base + query);

  it('is read in all its parts', () => {
    expect(read('?application_name=api&options=-c%20search_path%3Dapp')).toEqual({
      host: 'db.example.com',
      port: 5432,
      user: 'a@b',
      password: 'p/w',
      database: 'app',
      ssl: false,
      application_name: 'api',
      options: '-c search_path=app',
    });
  });

  it('may lead to a socket', () => {
    expect(read('?host=/var/run/postgresql', 'postgres:///app')).toMatchObject({
      host: '/var/run/postgresql',
      database: 'app',
    });
  });

  it.each([
    ['postgres://app@/app', 'localhost', 5432],
    ['postgres://app:secret@:6432/app', 'localhost', 6432],
    ['postgres://:1secret@db.example.com:6432/app', 'db.example.com', 6432],
    ['postgresql://:6432/app', 'localhost', 6432],
    ['postgres://app@/app?host=/var/run/postgresql', '/var/run/postgresql', 5432],
    ['postgres://app@:6432/app?host=db.example.com', 'db.example.com', 6432],
    ['postgres://app@%2Fvar%2Frun%2Fpostgresql/app', '/var/run/postgresql', 5432],
  ])('may leave the host out, or to a parameter: %s', (address, host, port) => {
    expect(databaseConnection(address)).toMatchObject({ host, port, database: 'app' });
  });

  it('has a plus sign for a plus sign', () => {
    expect(read('?application_name=a+b&options=-c%20x%3D1+1')).toMatchObject({
      application_name: 'a+b',
      options: '-c x=1+1',
    });
    expect(() => read('?sslmode=verify-full&sslrootcert=/no/a+b.pem')).toThrow(/ENOENT/);
    expect(() => read('?application_name=50%')).toThrow(/write it as %25/);
  });

  it.each(['require', 'verify-ca', 'verify-full', 'no-verify'])(
    'is not encrypted over a socket, which nobody is on the way of: sslmode=%s',
    (sslmode) => {
      const socket = 'postgres:///app?host=/var/run/postgresql&sslmode=';
      expect(databaseConnection(`${socket}${sslmode}`).ssl).toBe(false);
      expect(() => databaseConnection(`${socket}prefer`)).toThrow(/sslmode must be one of/);
    },
  );

  it('may be an address instead of a name, which the certificate must then bear', () => {
    expect(read('?sslmode=verify-full', 'postgres://a@127.0.0.1/app').ssl).toMatchObject({ host: '127.0.0.1' });
    expect(read('?sslmode=verify-full', 'postgres://a@[::1]/app')).toMatchObject({ host: '::1', ssl: { host: '::1' } });
  });

  it('must say itself what PGSSLMODE says, which is not read', () => {
    const env = anEnvironment({ PGSSLMODE: 'verify-full', DATABASE_OWNER_URL: `${DATABASE}?sslmode=require` });
    expect(complaintsOf(env)).toEqual([expect.stringMatching(/^DATABASE_URL: names no sslmode/)]);
    expect(errorOf(() => readOwnerUrl(env)).message).toMatch(/DATABASE_URL: names no sslmode/);
    expect(readSettings({ ...env, DATABASE_URL: `${DATABASE}?sslmode=disable` }).databaseUrl).toContain('disable');
  });

  it.each<[sslmode: string, ssl: unknown]>([
    ['disable', false],
    ['no-verify', { rejectUnauthorized: false }],
    ['require', { rejectUnauthorized: true }],
    ['verify-full', { rejectUnauthorized: true }],
    ['verify-ca', { rejectUnauthorized: true, checkServerIdentity: expect.any(Function) }],
  ])('says how it is encrypted: sslmode=%s', (sslmode, ssl) => {
    expect(read(`?sslmode=${sslmode}`).ssl).toEqual(ssl);
  });
});

describe('CLERK_JWT_KEY', () => {
  it.each([
    ['real newlines', PEM],
    ['newlines written as \\n', PEM.replaceAll('\n', '\\n')],
    ['newlines written as \\r\\n', PEM.replaceAll('\n', '\\r\\n')],
    ['newlines written as \\\\n', PEM.replaceAll('\n', '\\\\n')],
    ['line breaks of Windows', PEM.replaceAll('\n', '\r\n')],
    ['blanks instead of newlines, on one line', PEM.replaceAll('\n', ' ')],
    ['nothing instead of newlines, on one line', PEM.replaceAll('\n', '')],
    ['quotes', `"${PEM.trimEnd()}"`],
    ['quotes, and newlines written as \\n', `'${PEM.replaceAll('\n', '\\n')}'`],
    ['an indentation', PEM.replaceAll(/^/gm, '    ')],
    ['an indentation by tabs, and a blank line', `\n${PEM.replaceAll(/^/gm, '\t')}`],
    ['all of it in base64', Buffer.from(PEM).toString('base64')],
    ['all of it in base64, in lines', Buffer.from(PEM).toString('base64').replaceAll(/.{76}/g, '$&\n')],
    ['all of it in base64url', Buffer.from(PEM).toString('base64url')],
    ['its content alone', PEM.replaceAll(/-----.*-----|\n/g, '')],
    ['its content alone, in lines', PEM.replaceAll(/-----.*-----\n/g, '')],
  ])('is read with %s', (_how, value) => {
    const { jwtKey } = readSettings(anEnvironment({ CLERK_JWT_KEY: value })).clerk;
    expect(jwtKey?.export({ type: 'spki', format: 'pem' })).toBe(PEM);
  });
});

describe('the environment of the process', () => {
  const before = { ...process.env };

  afterEach(() => {
    process.env = { ...before };
  });

  it.each([
    ['empty', ''],
    ['blank', '  '],
  ])('counts a value that is %s as unset', (_what, value) => {
    Object.assign(process.env, anEnvironment({ PORT: value, CLERK_ISSUER: value, CLERK_SECRET_KEY: value }));
    expect(environment()).not.toHaveProperty('PORT');
    expect(namesOf(complaintsOf(environment()))).toEqual(['CLERK_SECRET_KEY']);
  });

  it('is what settings are read from when no other is given', () => {
    Object.assign(process.env, anEnvironment({ NODE_ENV: 'test', PORT: '4711' }));
    expect(readSettings().port).toBe(4711);
  });
});

describe('the address of the role that migrates', () => {
  const url = 'postgres://gatehouse@db/x';

  it('is all that the command line needs', () => {
    expect(readOwnerUrl({ DATABASE_URL: url })).toBe(url);
    expect(readOwnerUrl({ DATABASE_URL: url, DATABASE_OWNER_URL: 'postgres://owner@db/x' })).toBe(
      'postgres://owner@db/x',
    );
  });

  it('is named when it is missing', () => {
    expect(errorOf(() => readOwnerUrl({})).message).toMatch(/^\s+DATABASE_URL: is missing/m);
  });
});
