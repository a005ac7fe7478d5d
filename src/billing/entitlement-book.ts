/** Over which time a meter counts: a month of the subscription, or for good. */
export type MeterKind = 'period' | 'total';

/** How much of a meter: beyond a hard limit nothing more is let pass, beyond a soft one it is only told. */
export type MeterLimit =
  | { readonly hard: number; readonly soft?: never }
  | { readonly soft: number; readonly hard?: never }
  | 'unlimited';

export interface PlanEntitlements {
  /** Slugs, as `@RequireFeature` names them. */
  readonly features: readonly string[];
  /** By meter; one that is not here is not part of the plan, and nothing of it is let pass. */
  readonly limits?: Readonly<Record<string, MeterLimit | undefined>>;
  /** Members and pending invitations of a tenant, unless the subscription itself says how many. Left out: as many as they like. */
  readonly seats?: number | 'unlimited';
}

/** What each plan allows: edited by the team, in one file. */
export interface EntitlementBook {
  readonly meters: Readonly<Record<string, MeterKind>>;
  /** The plan of who has no other, by its slug. */
  readonly defaults: { readonly tenant: string; readonly user: string };
  /** By the slug of the plan. */
  readonly plans: Readonly<Record<string, PlanEntitlements>>;
}

/** Of a meter: it stands in headers and commands. */
export const METER_NAME = /^[\w.-]+$/;

/** The members and pending invitations of a tenant, as an override names them. */
export const SEATS = 'seats';

export const ENTITLEMENT_BOOK = Symbol('ENTITLEMENT_BOOK');

/** The book. The compiler checks that limits are of meters that there are, and that the default plans are in it; the rest `requireSound`. */
export function defineEntitlements<Meter extends string, Plan extends string>(book: {
  meters: Record<Meter, MeterKind>;
  defaults: { tenant: NoInfer<Plan>; user: NoInfer<Plan> };
  plans: Record<Plan, Omit<PlanEntitlements, 'limits'> & { limits?: { [Each in NoInfer<Meter>]?: MeterLimit } }>;
}): EntitlementBook {
  return book;
}
