import type { Principal } from './principal.ts';
import type { RevokedKind } from './revocation.entity.ts';

/** What a revocation is known by. */
export interface Revoked {
  readonly kind: RevokedKind;
  readonly clerkId: string;
}

interface Mark {
  /** Unix time in seconds; Infinity: every token. */
  readonly notBefore: number;
  /** By the clock that nobody sets (`performance.now()`): a jump of the other one must bring no token back. */
  readonly keptUntil: number;
}

/** A revocation with how long it still counts, in milliseconds; undefined: as long as a token can live. */
export interface FoundRevocation extends Revoked {
  readonly notBefore: number | null;
  readonly leftMs?: number;
}

/** What is revoked, in memory: asked in constant time. Marks only ever move on, so adding in any order is safe. */
export class RevocationSet {
  readonly #marks: Record<RevokedKind, Map<string, Mark>> = {
    session: new Map(),
    user: new Map(),
    tenant: new Map(),
    membership: new Map(),
    api_key: new Map(),
  };

  readonly #keptMs: number;

  /** How long to keep what comes without an end: as long as a token can live. */
  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  /** One revocation as a key of the change log: it says all, so that whoever reads it need not ask the table. */
  static keyOf(kind: RevokedKind, clerkId: string, notBefore: number | null): string {
    return `${kind} ${clerkId} ${notBefore ?? ''}`;
  }

  get size(): number {
    return Object.values(this.#marks).reduce((sum, { size }) => sum + size, 0);
  }

  refuses(principal: Principal): boolean {
    return revocableOf(principal).some(({ kind, clerkId }) => this.#refuses(kind, clerkId, principal.issuedAt));
  }

  add({ kind, clerkId, leftMs = this.#keptMs, ...revocation }: FoundRevocation): void {
    const known = this.#marks[kind].get(clerkId);
    const notBefore = Math.max(revocation.notBefore ?? Number.POSITIVE_INFINITY, known?.notBefore ?? 0);
    const keptUntil = Math.max(performance.now() + leftMs, known?.keptUntil ?? 0);
    this.#marks[kind].set(clerkId, { notBefore, keptUntil });
  }

  addKey(key: string): void {
    const [kind = '', clerkId = '', notBefore] = key.split(' ');
    this.add({ kind: kind as RevokedKind, clerkId, notBefore: notBefore ? Number(notBefore) : null });
  }

  forgetExpired(): void {
    const now = performance.now();
    for (const marks of Object.values(this.#marks))
      for (const [clerkId, { keptUntil }] of marks) if (keptUntil <= now) marks.delete(clerkId);
  }

  #refuses(kind: RevokedKind, clerkId: string, iat: number): boolean {
    const mark = this.#marks[kind].get(clerkId);
    return mark !== undefined && iat < mark.notBefore;
  }
}

/** All whose revocation refuses the caller. */
export function revocableOf(principal: Principal): Revoked[] {
  const { clerkUserId: userId, organization } = principal;
  const revocable = ownOf(principal);
  if (userId !== null) revocable.push({ kind: 'user', clerkId: userId });
  if (!organization) return revocable;
  const tenantId = organization.clerkId;
  revocable.push({ kind: 'tenant', clerkId: tenantId });
  if (userId !== null) revocable.push({ kind: 'membership', clerkId: membershipKey({ userId, tenantId }) });
  return revocable;
}

function ownOf(principal: Principal): Revoked[] {
  if (principal.tokenType === 'session_token') return [{ kind: 'session', clerkId: principal.sessionId }];
  return principal.tokenType === 'api_key' ? [{ kind: 'api_key', clerkId: principal.id }] : [];
}

/** Neither id has a slash, and a key of the change log has no spaces within. */
export function membershipKey({ userId, tenantId }: { userId: string; tenantId: string }): string {
  return `${userId}/${tenantId}`;
}
