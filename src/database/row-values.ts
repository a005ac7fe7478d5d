import { DriverException } from '@mikro-orm/core';
import { isDatabaseUnavailable } from './unavailable.ts';

const SQLSTATE = /^[0-9A-Z]{5}$/;
/** A right that is missing: PostgreSQL names the table, which the operator needs, and no row. */
const NOT_ALLOWED = '42501';

/** What PostgreSQL says of a refused statement, without `detail`, `where`, `hint` and the statement. */
interface RefusedStatement extends Error {
  code?: string;
  table?: string;
  constraint?: string;
  routine?: string;
}

/**
 * The error without values of rows: PostgreSQL puts them into the message and the detail of a refused statement, and they are
 * people's names and addresses. For whatever is logged or stored. Keeps the class of the error, its SQLSTATE, table and
 * constraint, and the frames of its stack. An error that holds none is returned as it is.
 */
export function withoutRowValues(error: Error): Error {
  if (isRefusedStatement(error)) return copyOf(error, summaryOf(error));
  const cause = error.cause instanceof Error ? withoutRowValues(error.cause) : error.cause;
  return cause === error.cause ? error : copyOf(error, error.message, { cause });
}

/** The message of `withoutRowValues`. */
export function safeMessage(error: unknown): string {
  return error instanceof Error ? withoutRowValues(error).message : String(error);
}

/** Only a refused statement has an SQLSTATE and a row. An outage, and a connection that failed, say which host or role. */
function isRefusedStatement(error: Error): error is RefusedStatement {
  const isOfDriver = error instanceof DriverException || ('severity' in error && 'routine' in error);
  if (!isOfDriver || !('code' in error) || error.code === NOT_ALLOWED) return false;
  return SQLSTATE.test(String(error.code)) && !isDatabaseUnavailable(error);
}

function summaryOf({ code, table, constraint, routine }: RefusedStatement): string {
  const parts = [
    `SQLSTATE ${code ?? 'unknown'}`,
    table && `table ${table}`,
    constraint && `constraint ${constraint}`,
    routine && `routine ${routine}`,
  ];
  return `The database refused a statement: ${parts.filter(Boolean).join(', ')}`;
}

function copyOf({ name, stack = '' }: Error, message: string, options?: ErrorOptions): Error {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const copy = new Error(message, options);
  copy.stack = [`${name}: ${message}`, ...frames].join('\n');
  return Object.assign(copy, { name });
}
