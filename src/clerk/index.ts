export { CannotReconcile } from './cannot-reconcile.ts';
export { ClerkModule } from './clerk.module.ts';
export { ClerkApi } from './clerk-api.service.ts';
export { ClerkApiKey } from './clerk-api-key.schema.ts';
export { ClerkApiKeys } from './clerk-api-keys.service.ts';
export { ClerkBilling } from './clerk-billing.service.ts';
export { ClerkBreaker } from './clerk-breaker.service.ts';
export { ClerkCalls, clerkDeadline } from './clerk-calls.service.ts';
export { CLERK_EVENTS, type ClerkEvent, type ClerkEventType, isClerkEventType, isOmittable } from './clerk-event.ts';
export { ClerkInstance } from './clerk-instance.service.ts';
export { ClerkInvitation } from './clerk-invitation.schema.ts';
export { audienceOf, ClerkMachineToken } from './clerk-machine-token.schema.ts';
export { ClerkMachineTokens, type MachineTokenAnswer } from './clerk-machine-tokens.service.ts';
export { ClerkMembership } from './clerk-membership.schema.ts';
export { ClerkOrganization } from './clerk-organization.schema.ts';
export { ClerkOrganizations } from './clerk-organizations.service.ts';
export type { ClerkPlan } from './clerk-plan.schema.ts';
export { hadNoEffect } from './clerk-problem.ts';
export { ClerkReader } from './clerk-reader.service.ts';
export { ClerkRefusal } from './clerk-refusal.ts';
export { ClerkSession } from './clerk-session.schema.ts';
export { ClerkSessions } from './clerk-sessions.service.ts';
export type { ClerkPaymentAttempt, ClerkSubscription, ClerkSubscriptionItem } from './clerk-subscription.schema.ts';
export { clerkTimeSql, dateOf, inMilliseconds, millisecondsOf } from './clerk-time.ts';
export { ClerkUnreachable } from './clerk-unreachable.ts';
export { ClerkUser } from './clerk-user.schema.ts';
export { ClerkId, ClerkRole, ClerkTime, fullRole } from './clerk-values.schema.ts';
export { cutNested } from './cut-nested.ts';
export { ERASABLE, erasePerson } from './erase-person.ts';
export { type EventObject, EventTenants } from './event-tenants.ts';
export { FINDINGS, type Finding, type FindingKind, type Tally } from './findings.ts';
export { GlobalSubject } from './global-subject.ts';
export { InstanceCheck } from './instance-check.service.ts';
export { IS_NEWER, IS_OLDER } from './is-newer.ts';
export type { JsonWebKey } from './json-web-key.ts';
export {
  type ClerkEventHandler,
  ClerkEventTypes,
  InEventTransaction,
  OnClerkEvent,
} from './on-clerk-event.decorator.ts';
export { Pace, tenthOfLimit } from './pace.ts';
export { sortOut, Unreadable } from './readable.ts';
export { type Outcome, type ReconcileOptions, Reconciliation } from './reconciliation.ts';
export { restFor } from './rest.ts';
export {
  type Answers,
  type Ending,
  type Ours,
  type Standing,
  type Subject,
  type SubjectName,
  type Walk,
} from './subject.ts';
export type { List, Watch } from './subject-pass.ts';
export { type Step, walkByCreation } from './walk-by-creation.ts';
export { walkByOffset } from './walk-by-offset.ts';
export { WEBHOOK_SECRETS } from './webhook-secrets.ts';
