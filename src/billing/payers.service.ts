import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { claimedUserOf } from '../auth/index.ts';
import { Problem } from '../http/index.ts';
import { UsersService } from '../users/index.ts';
import type { Payer } from './payer.ts';

/** Who pays for a request: the tenant that is active, else the user. */
@Injectable()
export class Payers {
  constructor(private readonly users: UsersService) {}

  /** Throws `tenant_required` for a machine of neither. */
  async of({ tenant, principal }: Request): Promise<Payer> {
    if (tenant) return { kind: 'tenant', id: tenant.row.id, clerkId: tenant.row.clerkId };
    if (!principal || !claimedUserOf(principal)) throw new Problem('tenant_required');
    const { row } = await this.users.findOrCreate(principal);
    return { kind: 'user', id: row.id, clerkId: row.clerkId };
  }
}
