import { derivedId } from './ids.ts';
import { periodFrom, priceOf } from './order.ts';
import type { Payer } from './payer.ts';
import { aPayment, type Payment } from './payment.ts';
import type { Plan } from './plan.ts';
import { DEFAULT_PLANS } from './plans.ts';
import { anItem, change, type ItemRow } from './subscription-item.ts';

/** What an item became, a charge, or that the subscription has other items than before. */
export type News = [became: ItemNews, item: ItemRow] | ['charged', Payment] | ['rearranged', Subscription];
type ItemNews = 'active' | 'canceled' | 'upcoming' | 'ended' | 'abandoned' | 'pastDue' | 'updated' | 'freeTrialEnding';

const IN_FORCE = ['active', 'past_due', 'canceled'];

/** What a user or an organization has and pays for: one item in force at a time, and perhaps one to come. */
export class Subscription {
  readonly id: string;
  /** Of the user or the organization. */
  readonly payerId: string;
  /** All there were. The first is that of the default plan, which keeps its id. */
  readonly items: [ItemRow, ...ItemRow[]];
  readonly created_at: number;
  status: 'active' | 'past_due' = 'active';
  active_at: number;
  past_due_at: number | null = null;
  updated_at: number;
  latest_payment_id: string | null = null;
  /** Who has paid or tried does not try for free. */
  isNew = true;

  constructor({ user_id: userId, organization_id: organizationId, created_at: at }: Payer) {
    this.payerId = userId || organizationId;
    this.id = derivedId('csub', this.payerId);
    this.created_at = at;
    this.active_at = at;
    this.updated_at = at;
    const order = { plan: DEFAULT_PLANS[userId ? 'user' : 'org'], plan_period: 'month', seats: null } as const;
    const id = derivedId('subi', this.payerId);
    this.items = [anItem(order, { id, ...periodFrom(order, at), created_at: at, updated_at: at })];
  }

  get current(): ItemRow {
    return this.items.find(({ status }) => IN_FORCE.includes(status)) ?? this.items[0];
  }

  get upcoming(): ItemRow | undefined {
    return this.items.find(({ status }) => status === 'upcoming');
  }

  /** What gives access now. */
  get plan(): Plan {
    const { status, plan, period_end: end } = this.current;
    return status === 'canceled' && end !== null && end <= Date.now() ? this.items[0].plan : plan;
  }

  charge(item: ItemRow, type: Payment['charge_type'], { fails } = { fails: false }): News {
    const payment = aPayment(item, type, fails);
    this.latest_payment_id = payment.payment_id;
    this.isNew = false;
    if (!fails) change(item, { lifetime_paid: item.lifetime_paid + priceOf(item) });
    return ['charged', payment];
  }

  become(item: ItemRow, status: ItemRow['status'], facts: Partial<ItemRow> = {}): News {
    change(item, { canceled_at: null, past_due_at: null, ended_at: null, ...facts, status });
    return [status === 'past_due' ? 'pastDue' : status, item];
  }

  end(): News {
    const { canceled_at, past_due_at } = this.current;
    return this.become(this.current, 'ended', { canceled_at, past_due_at, ended_at: Date.now() });
  }

  /** What was to come, unless it is that item, comes no more. */
  abandonAllBut(item?: ItemRow): News[] {
    const { upcoming } = this;
    return upcoming && upcoming !== item ? [this.become(upcoming, 'abandoned')] : [];
  }

  /** After the current one. */
  schedule(item: ItemRow): News[] {
    const start = this.current.period_end ?? Date.now();
    return [...this.abandonAllBut(item), this.become(item, 'upcoming', periodFrom(item, start))];
  }

  /** Its status follows that of its items. */
  settle(): 'active' | 'pastDue' | undefined {
    const status = this.current.status === 'past_due' ? 'past_due' : 'active';
    const before = this.status;
    change<Subscription>(this, { status, past_due_at: status === 'past_due' ? this.current.past_due_at : null });
    if (status === before) return undefined;
    if (status === 'active') this.active_at = Date.now();
    return status === 'active' ? 'active' : 'pastDue';
  }
}
