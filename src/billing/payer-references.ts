import type { EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import type { BillingWord } from './billing-facts.ts';
import type { NamedPayer } from './payer.ts';
import { PayerReference } from './payer-reference.entity.ts';
import { sqlArray } from './sql-array.ts';

/** Words of the same things take turns: one that names the payer could miss one that waits for it, and commits just now. */
export async function lockTogether(em: EntityManager, ids: string[]): Promise<void> {
  await em.execute(
    `select pg_advisory_xact_lock(hashtextextended('billing ' || id, 0))
     from (select id from unnest(?::text[]) as id order by id) as ids`,
    [sqlArray(ids)],
  );
}

/** Whose these are, as far as a word before told. */
export async function payerOfAny(em: EntityManager, providerIds: string[]): Promise<NamedPayer | null> {
  const [found] = await em.find(
    PayerReference,
    { providerId: { $in: providerIds } },
    { limit: 1, disableIdentityMap: true },
  );
  return found ? { kind: found.kind, clerkId: found.clerkId } : null;
}

export async function remember(em: EntityManager, { kind, clerkId }: NamedPayer, providerIds: string[]): Promise<void> {
  await em.execute(
    `insert into payer_references (provider_id, kind, clerk_id) select id, ?, ? from unnest(?::text[]) as id
     on conflict (provider_id) do nothing`,
    [kind, clerkId, sqlArray(providerIds)],
  );
}

/** Keeps what nobody can be told to own, until a word names the payer of any of its ids. */
export async function keepWaiting(em: EntityManager, word: BillingWord): Promise<void> {
  await em.execute('insert into waiting_billing (id, provider_ids, word) values (?, ?::text[], ?::jsonb)', [
    uuidv7(),
    sqlArray(word.providerIds),
    JSON.stringify(word),
  ]);
}

/** All that waited for the payer of these ids, and in turn for the payer of theirs; with every id that is now known. */
export async function takeWaiting(em: EntityManager, ids: string[]): Promise<{ words: BillingWord[]; ids: string[] }> {
  const words: BillingWord[] = [];
  const known = new Set(ids);
  for (let fresh = ids; fresh.length > 0; ) {
    const taken = await em.execute<{ word: BillingWord }[]>(
      'delete from waiting_billing where provider_ids && ?::text[] returning word',
      [sqlArray([...known])],
    );
    fresh = taken.flatMap(({ word }) => word.providerIds).filter((id) => !known.has(id));
    for (const id of fresh) known.add(id);
    words.push(...taken.map(({ word }) => word));
    if (fresh.length > 0) await lockTogether(em, fresh);
  }
  return { words, ids: [...known] };
}
