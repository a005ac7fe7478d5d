import type { EntityData, EntityManager, EntityName } from '@mikro-orm/postgresql';
import { deepFreeze } from './deep-freeze.ts';

/** The columns of an entity as they were read; none is undefined. */
export type Row<Entity> = {
  readonly [Column in keyof Entity as Entity[Column] extends (...args: never[]) => unknown
    ? never
    : Column extends symbol
      ? never
      : Column]: Exclude<Entity[Column], undefined>;
};

/** The row of an entity, to be remembered: shared by every request, so never changed, and never handed out as an entity. */
export function rowOf<Entity extends object>(entity: Entity): Row<Entity> {
  return deepFreeze(copyOf<unknown>(entity)) as Row<Entity>;
}

/** The entity of this EntityManager with that row, without a query: changes to it are saved, and seen by nobody else. */
export function mergeRow<Entity extends object>(em: EntityManager, name: EntityName<Entity>, row: Row<Entity>): Entity {
  return em.merge(name, copyOf<Entity>(row));
}

function copyOf<Entity>(source: object): EntityData<Entity> {
  const copies = Object.entries(source).map(([column, value]) => [
    column,
    value instanceof Date ? new Date(value) : (structuredClone(value) as unknown),
  ]);
  return Object.fromEntries(copies) as EntityData<Entity>;
}
