import { Injectable } from '@nestjs/common';
import { claimedUserOf, type Principal } from './principal.ts';
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
  isRefused(principal: Principal): boolean | Promise<boolean> {
    const user = claimedUserOf(principal);
    const refused = user !== null && this.users.isRefused(user);
    if (typeof refused === 'boolean') return refused || this.revocations.isRefused(principal);
    return refused.then((isRefused) => isRefused || this.revocations.isRefused(principal));
  }
}
