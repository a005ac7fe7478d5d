import { z } from 'zod';
import {
  CLERK_EVENTS,
  type ClerkEvent,
  ClerkId,
  ClerkTime,
  cutNested,
  inMilliseconds,
  isClerkEventType,
  isOmittable,
} from '../clerk/index.ts';
import { Problem } from '../http/index.ts';
import type { InboxEvent } from './inbox-event.entity.ts';

const Envelope = z.looseObject({
  type: z.string().regex(/^[\w.:-]{1,100}$/),
  data: z.custom<Record<string, unknown>>(isRecord),
  timestamp: ClerkTime.nullish(),
  instance_id: ClerkId.nullish().catch(null),
});
type Envelope = z.output<typeof Envelope>;
type Data = Envelope['data'];

/** An event as its envelope shows it, whatever its type. */
export interface ReceivedEvent {
  readonly id: string;
  readonly type: string;
  /** Clerk's time in milliseconds: of the object, else of the envelope, else of the receipt. */
  readonly at: number;
  readonly receivedAt: Date;
  readonly instanceId: string | null;
  readonly payload: Record<string, unknown>;
  /** Checked, when its type is one that handlers may ask for. */
  readonly clerkEvent: ClerkEvent | undefined;
  /** Whether Clerk left out what the handlers of its type need: our copy may know it. */
  readonly isIncomplete: boolean;
}

/**
 * Reads what a signature vouches for. Cuts what is nested too deeply first, since all that follows recurses. Throws
 * `invalid_input` when it is no event, or lacks what its type needs.
 */
export function readEvent(id: string, content: unknown, receivedAt: Date): ReceivedEvent {
  const parsed = Envelope.safeParse(cutNested(content));
  if (!parsed.success) throw new Problem('invalid_input', { detail: 'The body is not an event of Clerk.' });
  const { type, timestamp, instance_id: instanceId } = parsed.data;
  const data = withTimes(parsed.data.data, receivedAt);
  const sentAt = inMilliseconds(timestamp ?? receivedAt.getTime(), receivedAt);
  const at = timeOf(data.updated_at) ?? sentAt;
  const clerkEvent = isClerkEventType(type) ? checked({ id, type, at, sentAt, data }) : undefined;
  return {
    id,
    type,
    at,
    receivedAt,
    instanceId: instanceId ?? null,
    payload: parsed.data,
    clerkEvent: clerkEvent === 'incomplete' ? undefined : clerkEvent,
    isIncomplete: clerkEvent === 'incomplete',
  };
}

/** The event with these fields where it has none. */
export function completed({ id, payload, receivedAt }: ReceivedEvent, fields: Record<string, unknown>): ReceivedEvent {
  const said = Object.entries(asRecord(payload.data)).filter(([, value]) => value !== null);
  return readEvent(id, { ...payload, data: { ...fields, ...Object.fromEntries(said) } }, receivedAt);
}

/** An event as it was received, from its row; the ids of its columns are left of one that was erased. */
export function readStored(row: InboxEvent): ReceivedEvent {
  return readEvent(row.id, row.isErased ? skeletonOf(row) : row.payload, row.receivedAt);
}

function skeletonOf({ type, objectId, userId, tenantId, instanceId, eventAt }: InboxEvent): object {
  const ids = { id: objectId, user_id: userId, organization_id: tenantId };
  const data = { ...ids, organization: { id: tenantId }, public_user_data: { user_id: userId }, updated_at: eventAt };
  return { type, timestamp: eventAt, instance_id: instanceId, data };
}

/** The kind of object that an event of the type is about. */
export function kindOf(type: string): string {
  return type.split('.')[0] ?? '';
}

/** The ids of whom and what an event is about, wherever its type has them. */
export function subjectsOf({ type, payload }: ReceivedEvent) {
  const data = asRecord(payload.data);
  const [user, organization, payer] = [data.public_user_data, data.organization, data.payer].map(asRecord);
  const own = kindOf(type);
  const userId = own === 'user' ? data.id : (data.user_id ?? user?.user_id ?? payer?.user_id);
  const tenantId =
    own === 'organization' ? data.id : (data.organization_id ?? organization?.id ?? payer?.organization_id);
  return { objectId: storable(data.id), userId: storable(userId), tenantId: storable(tenantId) };
}

function checked({ type, ...event }: Omit<ClerkEvent, 'data'> & { data: Data }): ClerkEvent | 'incomplete' {
  const parsed = CLERK_EVENTS[type].safeParse(event.data);
  if (parsed.success) return { ...event, type, data: parsed.data } as ClerkEvent;
  if (parsed.error.issues.every(({ path: [field] }) => isOmittable(type, String(field), event.data)))
    return 'incomplete';
  throw new Problem('invalid_input', { detail: `The event lacks what ${type} must have.` });
}

/**
 * The data with its times as they count, and those of the user or organization in it: handlers go by them too. They are
 * settled here, by the receipt, since a replay that took them for now would beat what is newer.
 */
function withTimes(data: Data, receivedAt: Date): Data {
  const whole = counted(data, receivedAt);
  for (const key of ['user', 'organization']) {
    const inner = whole[key];
    if (isRecord(inner)) whole[key] = counted(inner, receivedAt);
  }
  return whole;
}

function counted(shown: Data, receivedAt: Date): Data {
  const times: Data = {};
  for (const key of ['created_at', 'updated_at']) {
    const time = timeOf(shown[key]);
    if (time !== undefined) times[key] = inMilliseconds(time, receivedAt);
  }
  return { ...shown, ...times };
}

/** Undefined for what is none. */
function timeOf(value: unknown): number | undefined {
  return ClerkTime.safeParse(value).data;
}

function asRecord(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A text that a column can hold, else null. */
function storable(value: unknown): string | null {
  return typeof value === 'string' && /^[\w.:-]{1,200}$/.test(value) ? value : null;
}
