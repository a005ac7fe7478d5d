import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import { Entitlements } from './entitlements.service.ts';
import { asPayer, type Payer } from './payer.ts';
import { type PayerReport, reportOf } from './payer-report.ts';
import { PaymentAttempt } from './payment-attempt.entity.ts';
import { Usage } from './usage.service.ts';

const MAX_PAYMENTS = 10;
/** Ours (UUID). */
const OUR_ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** The payers that are here, for operators: with ids and times, and without names or addresses. */
@Injectable()
export class KnownPayers {
  readonly #graceMs: number;

  constructor(
    private readonly em: EntityManager,
    private readonly entitlements: Entitlements,
    private readonly usage: Usage,
    @Inject(SETTINGS) { billingGraceMs }: Settings,
  ) {
    this.#graceMs = billingGraceMs;
  }

  /** By Clerk's id or ours, of a tenant or else a user. Undefined: there is none, or it is deleted. */
  async find(id: string): Promise<Payer | undefined> {
    const column = OUR_ID.test(id) ? 'id' : 'clerk_id';
    const [row] = await this.em.fork().execute<Payer[]>(
      `select 'tenant' as kind, id, clerk_id as "clerkId" from tenants where ${column} = ? and deleted_at is null
       union all
       select 'user', id, clerk_id from users where ${column} = ? and deleted_at is null`,
      [id, id],
    );
    return row;
  }

  /** All that our copy has of them, without a call to the provider. */
  async report(payer: Payer): Promise<PayerReport> {
    const [snapshot, entitled] = [await this.entitlements.snapshotOf(payer.clerkId), await this.entitlements.of(payer)];
    const payments = await asPayer(this.em.fork(), payer, (own) =>
      own.find(PaymentAttempt, {}, { orderBy: { clerkUpdatedAt: 'desc', providerId: 'desc' }, limit: MAX_PAYMENTS }),
    );
    const readings = await this.usage.all(payer);
    return reportOf(snapshot, entitled, { payments, readings, graceMs: this.#graceMs });
  }
}
