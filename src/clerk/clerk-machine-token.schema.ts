import { z } from 'zod';
import { millisecondsOf } from './clerk-time.ts';
import { ClerkId, ClerkTime } from './clerk-values.schema.ts';
import { cutNested } from './cut-nested.ts';

const Time = ClerkTime.transform(millisecondsOf);

/**
 * An API key, M2M token or OAuth access token as @clerk/backend shows it, of a JWT too. `revoked` and `expired` have no
 * default: who does not say that a token is good has not said it.
 */
export const ClerkMachineToken = z.object({
  id: ClerkId,
  subject: z.string().regex(/^(user|org|mch)_\w{1,100}$/, 'must be a user, an organization or a machine'),
  scopes: z
    .array(z.string())
    .nullish()
    .transform((scopes) => scopes ?? []),
  /** Anything that the token's maker wrote, without what is nested too deeply; what is no object is none. */
  claims: z
    .record(z.string(), z.unknown())
    .transform((claims) => cutNested(claims))
    .nullish()
    .catch(null),
  /** Of an OAuth access token: the application that it was given to. */
  clientId: z.string().nullish(),
  /** Of an OAuth access token: the resources that it names (RFC 8707); undefined: it names none. */
  aud: z
    .unknown()
    .optional()
    .transform((aud) => audienceOf(aud ?? undefined)),
  /** Who acts as the subject, after a token exchange (RFC 8693). */
  act: z.object({ sub: z.string().min(1) }).nullish(),
  revoked: z.boolean(),
  expired: z.boolean(),
  /** Milliseconds since 1970, as all times here; null: never. */
  expiration: Time.nullable(),
  createdAt: Time,
});
/** Whom a token is for (RFC 7519, section 4.1.3: a text, or a list of them); undefined: it does not say. What is no text names nobody. */
export function audienceOf(aud: unknown): string[] | undefined {
  return aud === undefined ? undefined : [aud].flat().map((each) => (typeof each === 'string' ? each : ''));
}

export type ClerkMachineToken = z.output<typeof ClerkMachineToken>;
