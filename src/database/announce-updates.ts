import type { EventArgs } from '@mikro-orm/core';
import type { EntityManager, EntityName } from '@mikro-orm/postgresql';
import type { ChangeLog } from './change-log.service.ts';

/** Announces every change that a flush saves, so that no handler that touches the entity has to remember to. */
export function announceUpdates<Entity extends object>(
  em: EntityManager,
  changes: ChangeLog,
  { entity, topic, keyOf }: { entity: EntityName<Entity>; topic: string; keyOf: (entity: Entity) => string },
): void {
  em.getEventManager().registerSubscriber({
    getSubscribedEntities: () => [entity],
    afterUpdate: (args: EventArgs<Entity>) => changes.record(args.em as EntityManager, topic, keyOf(args.entity)),
  });
}
