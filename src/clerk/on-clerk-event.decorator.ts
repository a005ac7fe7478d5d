import type { EntityManager } from '@mikro-orm/postgresql';
import { Reflector } from '@nestjs/core';
import type { ClerkEvent, ClerkEventType } from './clerk-event.ts';

/** Runs in one transaction with `em`; whatever it throws makes it run again later. */
export type ClerkEventHandler<Type extends ClerkEventType> = (event: ClerkEvent<Type>, em: EntityManager) => unknown;

/** The types that a method handles. */
export const ClerkEventTypes = Reflector.createDecorator<ClerkEventType[]>();

/** Whether a method runs inside the event's own transaction. */
export const InEventTransaction = Reflector.createDecorator<void, true>({ transform: () => true });

/**
 * Calls the method of a provider for events of these types, once each, as a job with a transaction of its own: it may fail
 * and is tried again, and delays nobody else. With `@InEventTransaction()` it belongs to the event itself: for our copy
 * of Clerk and what is revoked, where the event must fail if the method does.
 */
export function OnClerkEvent<Type extends ClerkEventType>(...types: [Type, ...Type[]]) {
  return <Handler extends ClerkEventHandler<Type>>(
    target: object,
    name: string,
    method: TypedPropertyDescriptor<Handler>,
  ): void => {
    ClerkEventTypes(types)(target, name, method);
  };
}
