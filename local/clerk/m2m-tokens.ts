import { newSecret } from './ids.ts';
import {
  aMachineToken,
  MACHINE_JWT,
  type MachineTokenFacts,
  type MachineTokenRow,
  machineClaims,
} from './machine-token.ts';
import { type SigningKey, signToken } from './signing-key.ts';
import { type Shown, shown, TokenBook } from './token-book.ts';

interface Instance {
  machineId: string;
  options: { key: SigningKey; origin: string };
}

export type NewMachineToken = Partial<MachineTokenFacts> & { token_format?: 'opaque' | 'jwt' };

/** The M2M tokens that are not JWTs: those stand by their signature, and are not kept. */
export class M2MTokens extends TokenBook<MachineTokenRow> {
  readonly #instance: Instance;

  constructor(instance: Instance) {
    super('Machine token');
    this.#instance = instance;
  }

  /** By and for the one machine there is, unless said otherwise. */
  create({ token_format: format, ...facts }: NewMachineToken): Shown<MachineTokenRow> & { token: string } {
    const { machineId, options } = this.#instance;
    const { subject = machineId, scopes = [machineId] } = facts;
    const row = aMachineToken({ ...facts, subject, scopes });
    if (format === 'jwt')
      return { ...shown(row), token: signToken(options.key, machineClaims(options.origin, row), MACHINE_JWT) };
    const token = newSecret('mt');
    this.add(row, token);
    return { ...shown(row), token };
  }

  /** To a machine only what is meant for it. */
  verify(token: string, machineId?: string): Shown<MachineTokenRow> {
    const found = this.withSecret(token);
    if (machineId !== undefined && !found.scopes.includes(machineId)) throw this.unknown();
    return found;
  }

  /** By a machine only what it made. */
  override revoke(id: string, reason?: string | null, machineId?: string): Shown<MachineTokenRow> {
    if (machineId !== undefined && this.get(id).subject !== machineId) throw this.unknown();
    return super.revoke(id, reason);
  }
}
