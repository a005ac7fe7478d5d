import { z } from 'zod';

const MAX_RETRY_AFTER_MS = 120_000;

const Refused = z.looseObject({
  errors: z
    .array(
      z.looseObject({
        code: z.string(),
        meta: z
          .looseObject({ param_name: z.string().nullish().catch(null) })
          .nullish()
          .catch(null),
      }),
    )
    .min(1),
});

/** One reason of Clerk's, with the parameter that it is about. */
interface ClerkReason {
  code: string;
  parameter: string | undefined;
}

/** Clerk's Backend API answered, but not with what was asked for. Holds no secret. */
export class ClerkRefusal extends Error {
  override readonly name = 'ClerkRefusal';
  readonly status: number;
  /** Clerk's own; none when what answered was not Clerk. */
  readonly reasons: ClerkReason[];
  /** How long it asked to be left alone. */
  readonly retryAfterMs: number;

  private constructor(status: number, reasons: ClerkReason[], retryAfterMs: number) {
    super(`Clerk answered ${status} (${reasons[0]?.code ?? 'no code'})`);
    this.status = status;
    this.reasons = reasons;
    this.retryAfterMs = retryAfterMs;
  }

  static async of(response: Response): Promise<ClerkRefusal> {
    const { data } = Refused.safeParse(await response.json().catch(() => undefined));
    const reasons = data?.errors.map(({ code, meta }) => ({ code, parameter: meta?.param_name ?? undefined })) ?? [];
    const seconds = Number(response.headers.get('retry-after'));
    const retryAfterMs = Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0) * 1000, MAX_RETRY_AFTER_MS) : 0;
    return new ClerkRefusal(response.status, reasons, retryAfterMs);
  }

  /** Undefined when what answered was not Clerk. */
  get code(): string | undefined {
    return this.reasons[0]?.code;
  }

  /** The same call may be answered later. */
  get isPassing(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }

  /** Clerk will say the same to the same call. */
  get isFinal(): boolean {
    return this.isOfTheCall && !this.isPassing;
  }

  /** Clerk itself says that there is no such object; a 404 of anything else does not. */
  get isAbsence(): boolean {
    return this.status === 404 && this.code === 'resource_not_found';
  }

  /** Clerk itself said it, of this call: it is there. */
  get isOfTheCall(): boolean {
    return this.code !== undefined && this.status >= 400 && this.status < 500;
  }
}
