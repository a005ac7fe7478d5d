import { Injectable } from '@nestjs/common';
import type { Claims } from './claims.ts';
import { Revocations } from './revocations.service.ts';
import { UserStates } from './user-states.ts';

/** Whether who holds a good token may still call: from memory, unless something there cannot be trusted. */
@Injectable()
export class Access {
  constructor(
    private readonly users: UserStates,
    private readonly revocations: Revocations,
  ) {}

  /** Revocation is asked last: to meet a new user can take a while. */
  isRefused(claims: Claims): boolean | Promise<boolean> {
    const refused = this.users.isRefused(claims);
    if (typeof refused === 'boolean') return refused || this.revocations.isRefused(claims);
    return refused.then((isRefused) => isRefused || this.revocations.isRefused(claims));
  }
}
