import type { EntityManager } from '@mikro-orm/postgresql';
import { safeMessage } from './row-values.ts';
import { asTenant } from './scope.ts';

const BATCH = 500;

/**
 * Runs work once as each living tenant, in a transaction of its own each, so one that fails does not undo the others. All
 * are tried; then an AggregateError tells of what failed: for each tenant an error that names it and has the cause. Rows of
 * an OwnerScoped entity that are a user's are no tenant's, and are not seen.
 */
export async function forEachTenant(
  em: EntityManager,
  work: (em: EntityManager, tenantId: string) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  try {
    for await (const id of livingTenants(em))
      await asTenant(em.fork(), id, (own) => work(own, id)).catch((cause: unknown) =>
        errors.push(failureOf(id, cause)),
      );
  } catch (error) {
    // of the list itself; those who failed before are not forgotten
    errors.push(error);
  }
  if (errors.length > 0) throw new AggregateError(errors, errors.map(messageOf).join('; '));
}

async function* livingTenants(em: EntityManager): AsyncGenerator<string> {
  for (let ids = await tenantsAfter(em); ids.length > 0; ids = await tenantsAfter(em, ids.at(-1))) yield* ids;
}

async function tenantsAfter(em: EntityManager, id = '00000000-0000-0000-0000-000000000000'): Promise<string[]> {
  const rows = await em
    .fork()
    .execute<{ id: string }[]>('select id from tenants where deleted_at is null and id > ? order by id limit ?', [
      id,
      BATCH,
    ]);
  return rows.map((row) => row.id);
}

function failureOf(tenantId: string, cause: unknown): Error {
  return new Error(`Tenant ${tenantId}: ${messageOf(cause)}`, { cause });
}

function messageOf(error: unknown): string {
  return safeMessage(error);
}
