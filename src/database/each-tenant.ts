import type { EntityManager } from '@mikro-orm/postgresql';
import { safeMessage } from './row-values.ts';
import { asTenant } from './scope.ts';

const PAGE = 2000;

/**
 * Runs work once as each living tenant, in a transaction of its own each, so one that fails does not undo the others. All
 * are tried; then an AggregateError tells of what failed: for each tenant an error that names it and has the cause. Rows of
 * an OwnerScoped entity that are a user's are no tenant's, and are not seen. Not inside a transaction, which would be idle
 * meanwhile, and ended by the server.
 */
export async function forEachTenant(
  em: EntityManager,
  work: (em: EntityManager, tenantId: string) => Promise<void>,
): Promise<void> {
  if (em.isInTransaction())
    throw new Error(
      'forEachTenant takes a transaction for each tenant, and one is open: in a job use jobs.enqueueForEachTenant',
    );
  const errors: unknown[] = [];
  try {
    for await (const ids of livingTenants(em))
      for (const id of ids)
        await asTenant(em.fork(), id, (own) => work(own, id)).catch((cause: unknown) =>
          errors.push(failureOf(id, cause)),
        );
  } catch (error) {
    // of the list itself; those who failed before are not forgotten
    errors.push(error);
  }
  if (errors.length > 0) throw new AggregateError(errors, errors.map(messageOf).join('; '));
}

/** The ids of the tenants that are not deleted, page by page. */
export async function* livingTenants(em: EntityManager): AsyncGenerator<string[]> {
  let last: string | undefined = '00000000-0000-0000-0000-000000000000';
  while (last !== undefined) {
    const rows: { id: string }[] = await em.execute(
      'select id from tenants where deleted_at is null and id > ? order by id limit ?',
      [last, PAGE],
    );
    if (rows.length > 0) yield rows.map(({ id }) => id);
    last = rows.at(-1)?.id;
  }
}

function failureOf(tenantId: string, cause: unknown): Error {
  return new Error(`Tenant ${tenantId}: ${messageOf(cause)}`, { cause });
}

function messageOf(error: unknown): string {
  return safeMessage(error);
}
