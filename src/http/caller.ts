/** Who makes the request, by Clerk's ids, for the log. */
export interface Caller {
  readonly user: string | undefined;
  readonly tenant: string | undefined;
}

declare module 'express' {
  interface Request {
    /** Set by who authenticates; absent where nobody did. */
    caller?: Caller;
    /** What the log says of the refusal that the request got. */
    refusal?: Record<string, unknown>;
  }
}
