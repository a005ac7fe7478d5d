import { z } from 'zod';
import { CLERK_EVENTS, ClerkId, ClerkTime, isClerkEventType } from '../clerk/index.ts';
import type { InboxStatus } from './inbox-event.entity.ts';
import { kindOf, type ReceivedEvent } from './received-event.ts';

type Payload = Record<string, unknown>;

/** Of what nobody handles: whom it is about, and when it was. */
const UnknownObject = z.object({
  id: ClerkId,
  user_id: ClerkId,
  organization_id: ClerkId,
  created_at: ClerkTime,
  updated_at: ClerkTime,
});

/** A ticket, and what Clerk shows of people that the event is not about: who invited or paid. By the kind of object. */
const DROPPED: Record<string, string[]> = {
  organizationInvitation: ['url', 'public_inviter_data'],
  subscription: ['payer'],
  subscriptionItem: ['payer'],
  paymentAttempt: ['payer', 'payment_source'],
};

interface Use {
  status: InboxStatus;
  /** Whether a handler of a feature reads it later. */
  isRead: boolean;
}

/**
 * The part of an event that lies in the inbox: the fields that its handlers may need once more. So metadata, which users
 * write at will, addresses of the network, cities and the like are not kept, unless a handler of a feature is to read the
 * event. An invitation's address lies in its own row once the event was dealt with.
 */
export function keptPayload({ type, payload }: ReceivedEvent, { status, isRead }: Use): Payload {
  const { timestamp, instance_id } = payload;
  const schema = isClerkEventType(type) ? CLERK_EVENTS[type] : UnknownObject;
  const declared = declaredOf(schema, payload.data) as Payload;
  const kind = kindOf(type);
  const read = {
    ...(without(payload.data, DROPPED[kind] ?? []) as Payload),
    ...('payer' in declared && { payer: declared.payer }),
  };
  const data = isRead ? read : declared;
  const isOver = status === 'processed' && kind === 'organizationInvitation';
  return { type, timestamp, instance_id, data: isOver ? without(data, ['email_address']) : data };
}

/** The value without the fields that its schema does not name, at any depth. */
function declaredOf(schema: unknown, value: unknown): unknown {
  if (schema instanceof z.ZodPipe) return declaredOf(schema.in, value);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodCatch)
    return declaredOf(schema.unwrap(), value);
  if (Array.isArray(value))
    return schema instanceof z.ZodArray ? value.map((each) => declaredOf(schema.element, each)) : null;
  if (typeof value !== 'object' || value === null) return value;
  if (!(schema instanceof z.ZodObject)) return null;
  const named = Object.entries(schema.shape).filter(([name]) => name in value);
  return Object.fromEntries(named.map(([name, inner]) => [name, declaredOf(inner, (value as Payload)[name])]));
}

/** At any depth. */
function without(value: unknown, names: string[]): unknown {
  if (Array.isArray(value)) return value.map((each) => without(each, names));
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => !names.includes(name));
  return Object.fromEntries(kept.map(([name, inner]) => [name, without(inner, names)]));
}
