/** The header of a compact JWS (RFC 7515) in canonical base64url; undefined: it is none. */
export function headerOf(token: string): Record<string, unknown> | undefined {
  const parts = token.split('.', 4);
  if (parts.length !== 3 || !parts.every(isCanonical)) return undefined;
  return parseObject(Buffer.from(parts[0] ?? '', 'base64url'));
}

/**
 * The id of the key that signed it; undefined where the header asks for anything that we do not do. RFC 8725: one algorithm,
 * and nothing in the header is obeyed but `kid`. `crit` names what must be understood, and we understand none of it (RFC 7515,
 * section 4.1.11).
 */
export function keyIdIn({ alg, kid, crit }: Record<string, unknown>): string | undefined {
  return alg === 'RS256' && typeof kid === 'string' && kid !== '' && crit === undefined ? kid : undefined;
}

/** The header as it is written, in whichever base64url; undefined: it is no JSON object. */
export function unverifiedHeaderOf(token: string): Record<string, unknown> | undefined {
  return parseObject(Buffer.from(token.split('.', 1)[0] ?? '', 'base64url'));
}

/** What a JWT says of itself, which proves nothing; undefined: it is no JSON object. */
export function unverifiedPayloadOf(token: string): Record<string, unknown> | undefined {
  return parseObject(Buffer.from(token.split('.', 2)[1] ?? '', 'base64url'));
}

/** A JSON object in UTF-8, or undefined. */
export function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(UTF8.decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Base64url without padding or stray bits: otherwise one token could be written in several ways. */
function isCanonical(part: string): boolean {
  return part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part;
}
