const IDLE = '25P03';
const STATEMENT = '57014';

/** An error that says what to do, for a job that a time-out of the database ended; any other as it is. */
export function whyEnded(name: string, error: Error): Error {
  const code = sqlstateOf(error);
  if (code === IDLE)
    return new Error(
      `The job ${name} left its transaction idle for longer than idle_in_transaction_session_timeout allows: calls of mail, HTTP and the like belong outside of it, @Job('${name}', { transaction: false })`,
      { cause: error },
    );
  if (code === STATEMENT)
    return new Error(
      `A statement of the job ${name} took longer than statement_timeout allows, or was cancelled: deal with fewer rows at a time, or enqueue a job for each part`,
      { cause: error },
    );
  return error;
}

/** Who wraps an error keeps it as the cause. */
function sqlstateOf(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined;
  return 'code' in error ? error.code : sqlstateOf(error.cause);
}
