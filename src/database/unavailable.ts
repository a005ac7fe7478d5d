/** Connection lost or refused, server shutting down or full, and the time-outs: SQLSTATE classes 08, 53, 57 and 55P03. */
const UNAVAILABLE_SQLSTATE = /^(08...|53...|57014|57P0[1-5]|55P03)$/;
const UNAVAILABLE_ERRNO = /^E(CONNREFUSED|CONNRESET|TIMEDOUT|NOTFOUND|PIPE|HOSTUNREACH|NETUNREACH|AI_AGAIN)$/;
/** No connection for want of a certificate that is good (https://nodejs.org/api/tls.html, X509 certificate error codes). */
const UNTRUSTED =
  /^(CERT_|CRL_|ERR_SSL_|ERR_TLS_|UNABLE_TO_|ERROR_IN_CERT_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT_IN_CHAIN$|INVALID_CA$|INVALID_PURPOSE$|PATH_LENGTH_EXCEEDED$|HOSTNAME_MISMATCH$|EPROTO$)/;
/** What `pg` says without a code. */
const UNAVAILABLE_MESSAGE =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|server does not support SSL connections|error establishing an SSL connection/;

/** Whether an error says that the database is away, so that the answer is 503 and not 500. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  if ('severity' in error && error.severity === 'FATAL') return true; // the server ended the connection
  const codes = [UNAVAILABLE_SQLSTATE, UNAVAILABLE_ERRNO, UNTRUSTED];
  return codes.some((form) => form.test(code)) || UNAVAILABLE_MESSAGE.test(error.message);
}
