import { z } from 'zod';
import { Time } from '../http/index.ts';

const Period = z.enum(['month', 'annual']);
const PayerKind = z.enum(['tenant', 'user']);

const PlanView = z
  .object({
    slug: z.string(),
    name: z.string(),
    payer: PayerKind.meta({ description: 'Who may subscribe to it' }),
    amount: z.int().meta({ description: 'For one period, in the smallest unit of the currency' }),
    annualAmount: z.int().nullable().meta({ description: 'For a year at once; null: it is not sold so' }),
    currency: z.string(),
    period: Period.nullable(),
    features: z.array(z.string()),
    trialDays: z.int().nullable(),
  })
  .meta({ id: 'Plan' });
export const PlanList = z.object({ data: z.array(PlanView) });

export const SubscriptionView = z
  .object({
    payer: PayerKind,
    plan: z.string().meta({ description: 'That gives access now, else the last that did' }),
    status: z.string().meta({ description: 'Of the provider; none: there was never anything' }),
    access: z.boolean(),
    period: Period.nullable(),
    currentPeriodEnd: Time.nullable(),
    trialEndsAt: Time.nullable(),
    pastDueAt: Time.nullable(),
    canceledAt: Time.nullable(),
    seats: z.int().nullable().meta({ description: 'Members and pending invitations it may have; null: no limit' }),
  })
  .meta({ id: 'Subscription' });
export type SubscriptionView = z.input<typeof SubscriptionView>;

export const Cancellation = z
  .strictObject({
    endNow: z.boolean().default(false).meta({ description: 'At once, and not when the period that is paid ends' }),
  })
  .prefault({})
  .meta({ id: 'Cancellation' });
export type Cancellation = z.output<typeof Cancellation>;

const EntitlementView = z
  .object({
    feature: z.string(),
    granted: z.boolean(),
    reason: z.enum(['plan', 'override', 'grace', 'none']),
    limit: z.int().nullable().meta({ description: 'Of a meter; null: no limit, or no meter' }),
    used: z.int().nullable(),
    left: z.int().nullable(),
    resetsAt: Time.nullable(),
  })
  .meta({ id: 'Entitlement' });
export const EntitlementList = z.object({ plan: z.string(), data: z.array(EntitlementView) });
export type EntitlementList = z.input<typeof EntitlementList>;

const UsageView = z
  .object({
    meter: z.string(),
    used: z.int(),
    limit: z.int().nullable(),
    left: z.int().nullable(),
    exceeded: z.boolean().meta({ description: 'More is used than the limit says, which is soft or was lowered' }),
    periodStart: Time.nullable().meta({ description: 'Null: it counts for good' }),
    resetsAt: Time.nullable(),
  })
  .meta({ id: 'Usage' });
export const UsageList = z.object({ data: z.array(UsageView) });
export type UsageList = z.input<typeof UsageList>;
