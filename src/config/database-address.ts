import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { DROPPED_IN_URLS } from './stray-characters.ts';

/** How to connect, in the names of the `pg` library: every connection of a process is made from this. */
export interface DatabaseConnection {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
  ssl: false | ConnectionOptions;
  application_name?: string;
  options?: string;
}

const DEFAULT_PORT = 5432;
/** With a user or a port and no host, as PostgreSQL's own programs take it; a URL parser does not. */
const WITHOUT_HOST = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)(?=:\d+(?:[/?]|$)|[/?]|$)/;
const MODES = ['disable', 'no-verify', 'require', 'verify-ca', 'verify-full'] as const;
type Mode = (typeof MODES)[number];
const FILES = ['sslrootcert', 'sslcert', 'sslkey'] as const;
const PARAMETERS = ['sslmode', ...FILES, 'host', 'application_name', 'options'];

/**
 * Reads an address such as `postgres://user:password@host:5432/database?sslmode=verify-full`. The libraries that connect read
 * its query differently or not at all, so that one connection would be encrypted and the next one in clear: this is the only
 * reader. Throws an Error for whatever is not understood; its message names the parameter and never a value.
 */
export function databaseConnection(address: string): DatabaseConnection {
  const named = address.replace(WITHOUT_HOST, '$1localhost');
  const url = URL.canParse(named) && !DROPPED_IN_URLS.test(address) ? new URL(named) : undefined;
  if (!url || !['postgres:', 'postgresql:'].includes(url.protocol))
    throw new Error('must be a PostgreSQL address such as postgres://user:password@host:5432/database');
  if (url.hash) throw new Error('has a #, which ends the address for some readers; write it as %23');
  const parameters = parametersOf(url);
  const { application_name, options } = parameters;
  const host = parameters.host ?? decoded(url.hostname).replace(/^\[|\]$/g, '');
  const database = decoded(url.pathname.slice(1));
  if (host.includes(',')) throw new Error('must name one host');
  if (!database) throw new Error('names no database; add it, as in postgres://user:password@host:5432/database');
  return {
    host: host || 'localhost',
    port: Number(url.port) || DEFAULT_PORT,
    user: decoded(url.username),
    password: decoded(url.password),
    database,
    ssl: encryptionOf(parameters, host),
    ...(application_name && { application_name }),
    ...(options && { options }),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    throw new Error('has a % that is not encoded; write it as %25', { cause: error });
  }
}

function parametersOf({ search }: URL): Record<string, string> {
  const parts = search.slice(1).split('&').filter(Boolean);
  // not as a form, whose plus sign is a blank: PostgreSQL's own programs take it for itself
  const pairs = parts.map((part) => {
    const [name = '', ...value] = part.split('=');
    return [decoded(name), decoded(value.join('='))] as const;
  });
  const names = pairs.map(([name]) => name);
  const unknown = names.find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined)
    throw new Error(`the parameter ${nameOf(unknown)} is not understood; known are ${PARAMETERS.join(', ')}`);
  const repeated = names.find((name, index) => names.indexOf(name) < index);
  if (repeated) throw new Error(`the parameter ${repeated} is there twice`);
  const empty = pairs.find(([, value]) => !value);
  if (empty) throw new Error(`the parameter ${empty[0]} is empty`);
  return Object.fromEntries(pairs);
}

/** A name is the operator's, but a password with a `?` in it would be read as one. */
function nameOf(parameter: string): string {
  return /^[\w.-]{1,40}$/.test(parameter) ? parameter : 'after the question mark';
}

/**
 * `require` verifies the certificate as `verify-full` does: without that, whoever is on the way can read along. Modes that
 * may end up in clear (`allow`, `prefer`) are refused. Over a socket PostgreSQL knows no TLS, and nobody is on the way.
 */
function encryptionOf(parameters: Record<string, string>, host: string): DatabaseConnection['ssl'] {
  const { sslmode } = parameters;
  const file = FILES.find((name) => parameters[name] !== undefined);
  if (sslmode !== undefined && !isMode(sslmode)) throw new Error(`sslmode must be one of ${MODES.join(', ')}`);
  if (sslmode === undefined || sslmode === 'disable') {
    if (file) throw new Error(`${file} needs sslmode=verify-full`);
    return false;
  }
  if (sslmode === 'no-verify' && parameters.sslrootcert) throw new Error('sslrootcert needs sslmode=verify-full');
  if (Boolean(parameters.sslcert) !== Boolean(parameters.sslkey)) throw new Error('sslcert and sslkey need each other');
  if (host.startsWith('/')) return false;
  return {
    rejectUnauthorized: sslmode !== 'no-verify',
    // of an address without a name the library tells TLS nothing, which would then look for "localhost"
    ...(isIP(host) && { host }),
    ...(sslmode === 'verify-ca' && { checkServerIdentity: () => undefined }),
    ...(parameters.sslrootcert && { ca: contentOf('sslrootcert', parameters.sslrootcert) }),
    ...(parameters.sslcert && { cert: contentOf('sslcert', parameters.sslcert) }),
    ...(parameters.sslkey && { key: contentOf('sslkey', parameters.sslkey) }),
  };
}

function isMode(value: string): value is Mode {
  return (MODES as readonly string[]).includes(value);
}

function contentOf(name: string, path: string): string {
  try {
    const content = readFileSync(path, 'utf8');
    if (content.includes('-----BEGIN ')) return content;
  } catch (error) {
    throw new Error(`the file of ${name} cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
  throw new Error(`the file of ${name} is not PEM`);
}
