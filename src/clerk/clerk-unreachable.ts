/** Nobody answered where Clerk should: says at which host, and why. */
export class ClerkUnreachable extends Error {
  override readonly name = 'ClerkUnreachable';

  constructor(host: string, error: Error) {
    const cause = error.cause as NodeJS.ErrnoException | undefined;
    super(`${host} does not answer (${cause?.code ?? cause?.message ?? error.message})`, { cause: error });
  }

  /** `fetch` throws a TypeError for a connection that was refused or broke off (https://fetch.spec.whatwg.org). */
  static is(error: unknown): error is Error {
    return ['TypeError', 'TimeoutError'].includes((error as Error).name);
  }
}
