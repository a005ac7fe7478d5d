import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Revocations } from '../auth/index.ts';
import { type ClerkApiKey, ClerkApiKeys, clerkDeadline } from '../clerk/index.ts';
import { transaction } from '../database/index.ts';
import { decodeCursor, encodeCursor, type ListQuery, type Page, Problem } from '../http/index.ts';
import type { User } from '../users/index.ts';
import { requireAdmin } from './admins.ts';
import type { Tenant } from './tenant.entity.ts';

const Offset = z.int().positive();

/** A tenant's API keys: Clerk has them, and we only know which are revoked. For its admins. */
@Injectable()
export class ApiKeysService {
  constructor(
    private readonly em: EntityManager,
    private readonly clerk: ClerkApiKeys,
    private readonly revocations: Revocations,
  ) {}

  /** Clerk counts from the start: a key that is made meanwhile shows one twice. */
  async list({ clerkId }: Tenant, { limit, cursor }: ListQuery): Promise<Page<ClerkApiKey>> {
    const offset = cursor === undefined ? 0 : decodeCursor(cursor, Offset);
    const { keys, next } = await this.clerk.list(clerkId, { limit, offset });
    return { data: keys, nextCursor: next === undefined ? null : encodeCursor(next) };
  }

  /** Refused everywhere within a second; Clerk tells nobody of it. One that is revoked already stays so. */
  async revoke(tenant: Tenant, admin: User, id: string): Promise<void> {
    await transaction(this.em, (em) => requireAdmin(em, { tenantId: tenant.id, userId: admin.id }));
    const until = clerkDeadline();
    const key = await this.clerk.get(id, until);
    if (key?.subject !== tenant.clerkId) throw new Problem('not_found');
    if (!key.revoked) await this.clerk.revoke(key.id, until);
    await transaction(this.em.fork(), (em) => this.revocations.revokeApiKey(em, key.id));
  }
}
