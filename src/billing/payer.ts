import type { EntityManager } from '@mikro-orm/postgresql';
import { asTenant, asUser } from '../database/index.ts';
import type { PayerKind } from './plan.entity.ts';

/** Who pays, and whose usage counts: a tenant or a user. */
export interface Payer {
  readonly kind: PayerKind;
  /** Ours (UUID). */
  readonly id: string;
  /** Clerk's. */
  readonly clerkId: string;
}

/** As others name a payer, who may be new to us. */
export type NamedPayer = Pick<Payer, 'kind' | 'clerkId'>;

/** Who is not deleted, by Clerk's id, which says of which kind it is. */
export async function findPayer(em: EntityManager, clerkId: string): Promise<Payer | undefined> {
  return payerIn(em, { kind: clerkId.startsWith('org_') ? 'tenant' : 'user', clerkId }, '');
}

/** As `findPayer`; until the end of the transaction nobody deletes them. */
export async function lockPayer(em: EntityManager, named: NamedPayer): Promise<Payer | undefined> {
  return payerIn(em, named, 'for share');
}

async function payerIn(em: EntityManager, { kind, clerkId }: NamedPayer, lock: '' | 'for share') {
  const table = kind === 'tenant' ? 'tenants' : 'users';
  const sql = `select id from ${table} where clerk_id = ? and deleted_at is null ${lock}`;
  const [row] = await em.execute<{ id: string }[]>(sql, [clerkId]);
  return row && { kind, clerkId, id: row.id };
}

/** Runs work with what is the payer's: in the transaction that is open, else in one of its own. */
export async function asPayer<T>(
  em: EntityManager,
  { kind, id }: Pick<Payer, 'kind' | 'id'>,
  work: (em: EntityManager) => Promise<T>,
): Promise<T> {
  return kind === 'tenant' ? asTenant(em, id, work) : asUser(em, id, work);
}
