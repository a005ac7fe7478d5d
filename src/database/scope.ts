import { RequestContext, TransactionContext } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { transaction } from './transaction.ts';

/** Whose rows a piece of work sees and writes; our ids (UUID). Null: nobody's. */
export interface Scope {
  readonly tenantId: string | null;
  readonly userId: string | null;
}

/** The filter of scoped entities, and what names the scope to PostgreSQL. */
export const SCOPE = 'scope';
const TENANT_SETTING = 'app.tenant_id';
const USER_SETTING = 'app.user_id';

/** SQL for a setting of the transaction as an id, null where it is not set; written as PostgreSQL itself writes it. */
const setting = (name: string) => `(NULLIF(current_setting('${name}'::text, true), ''::text))::uuid`;

/** SQL for the tenant and the user of the transaction. Stable, so that an index can serve a comparison with it. */
export const CURRENT_TENANT = setting(TENANT_SETTING);
export const CURRENT_USER = setting(USER_SETTING);

/**
 * Binds an EntityManager, its forks and their transactions to a scope, before any work is done with it. Outside a
 * transaction every statement gets one of its own, so a use case opens one for all.
 */
export function enterScope(em: EntityManager, scope: Scope): void {
  em.setFilterParams(SCOPE, scope);
  em.setSessionContext({ variables: settingsOf(scope) });
}

/** The scope of an EntityManager, of nobody where none was entered. */
export function scopeOf(em: EntityManager): Scope {
  return (em.getFilterParams<Partial<Scope>>(SCOPE) as Scope | undefined) ?? NOBODY;
}

/** The scope of the request that this is part of; of nobody outside of requests. */
export function requestScope(): Scope {
  const em = RequestContext.getEntityManager() as EntityManager | undefined;
  return em ? scopeOf(em) : NOBODY;
}

/**
 * Runs work as a tenant, with an EntityManager that knows no entity of another: in the transaction that is open, whose own
 * scope comes back afterwards, else in one of its own. Inside one transaction scopes nest, and never run side by side.
 */
export async function asTenant<T>(
  em: EntityManager,
  tenantId: string,
  work: (em: EntityManager) => Promise<T>,
): Promise<T> {
  return inScope(em, { ...scopeOf(em), tenantId }, work);
}

/** As `asTenant`, for what a user may read wherever it is: no tenant, and whoever the user is. */
export async function asUser<T>(
  em: EntityManager,
  userId: string,
  work: (em: EntityManager) => Promise<T>,
): Promise<T> {
  return inScope(em, { tenantId: null, userId }, work);
}

const NOBODY: Scope = { tenantId: null, userId: null };

function settingsOf({ tenantId, userId }: Scope): Record<string, string> {
  return { [TENANT_SETTING]: tenantId ?? '', [USER_SETTING]: userId ?? '' };
}

async function inScope<T>(em: EntityManager, scope: Scope, work: (em: EntityManager) => Promise<T>): Promise<T> {
  if (em.isInTransaction()) return withinTransaction(em, scope, work);
  const own = em.fork({ session: { variables: settingsOf(scope) } });
  own.setFilterParams(SCOPE, scope);
  return transaction(own, work);
}

async function withinTransaction<T>(em: EntityManager, scope: Scope, work: (em: EntityManager) => Promise<T>) {
  await em.flush();
  const before = scopeOf(em);
  const own = em.fork({ session: { variables: settingsOf(scope) } });
  own.setFilterParams(SCOPE, scope);
  // not by an option of fork, which would leave forks of this one, and transactions beside the open one, to the scope before
  own.setTransactionContext(em.getTransactionContext());
  await changeScope(em, before, scope);
  try {
    const result = await TransactionContext.create(own, () => work(own));
    await own.flush();
    await changeScope(em, scope, before);
    return result;
  } catch (error) {
    // where a statement failed this does too: nothing more can run then, and the rollback takes the setting with it
    await changeScope(em, scope, before).catch(() => undefined);
    throw error;
  }
}

/** Two scopes side by side in one transaction would see each other's rows. */
async function changeScope(em: EntityManager, from: Scope, to: Scope): Promise<void> {
  const [before, after] = [Object.entries(settingsOf(from)), Object.entries(settingsOf(to))];
  const rows = await em.execute<object[]>(
    `select ${after.map(() => 'set_config(?, ?, true)').join(', ')}
     where ${before.map(() => "coalesce(current_setting(?, true), '') = ?").join(' and ')}`,
    [...after.flat(), ...before.flat()],
  );
  if (rows.length === 0) throw new Error('In a transaction the work of one scope ends before that of the next begins');
}
