/** Connection lost or refused, server shutting down or full, and the time-outs: SQLSTATE classes 08, 53, 57 and 55P03. */
const UNAVAILABLE_SQLSTATE = /^(08...|53...|57014|57P0[1-5]|55P03)$/;
const UNAVAILABLE_ERRNO = /^E(CONNREFUSED|CONNRESET|TIMEDOUT|NOTFOUND|PIPE|HOSTUNREACH|NETUNREACH|AI_AGAIN)$/;
/** What `pg` says without a code. */
const UNAVAILABLE_MESSAGE =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error/;

/** Whether an error says that the database is away, so that the answer is 503 and not 500. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  if ('severity' in error && error.severity === 'FATAL') return true; // the server ended the connection
  return UNAVAILABLE_SQLSTATE.test(code) || UNAVAILABLE_ERRNO.test(code) || UNAVAILABLE_MESSAGE.test(error.message);
}
