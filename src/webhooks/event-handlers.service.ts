import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import {
  type ClerkEvent,
  type ClerkEventHandler,
  type ClerkEventType,
  ClerkEventTypes,
  InEventTransaction,
} from '../clerk/index.ts';

/** A method that was decorated with `@OnClerkEvent()`. */
export interface EventHandler {
  /** Of its job, too: it must be one of a kind. */
  readonly name: string;
  readonly types: ClerkEventType[];
  readonly inTransaction: boolean;
  readonly handle: (event: ClerkEvent, em: EntityManager) => unknown;
}

/** Finds who asked for events, among the providers of every module. */
@Injectable()
export class EventHandlers implements OnModuleInit {
  readonly #reflector = new Reflector();
  readonly #byType = new Map<string, { core: EventHandler[]; feature: EventHandler[] }>();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  onModuleInit(): void {
    for (const handler of this.all())
      for (const type of handler.types) {
        const handlers = this.#byType.get(type) ?? { core: [], feature: [] };
        handlers[handler.inTransaction ? 'core' : 'feature'].push(handler);
        this.#byType.set(type, handlers);
      }
  }

  /** For the event's own transaction, and for jobs of their own. */
  of(type: string): { core: EventHandler[]; feature: EventHandler[] } {
    return this.#byType.get(type) ?? { core: [], feature: [] };
  }

  all(): EventHandler[] {
    const providers = new Map(
      this.discovery.getProviders().map((provider) => [provider.instance as unknown, provider]),
    );
    return [...providers].flatMap(([instance, provider]) =>
      isObject(instance) ? this.#handlersOf(instance, provider.isDependencyTreeStatic()) : [],
    );
  }

  #handlersOf(instance: Record<string, unknown>, isStatic: boolean): EventHandler[] {
    const prototype = Object.getPrototypeOf(instance) as Record<string, unknown> | null;
    return this.scanner.getAllMethodNames(prototype).flatMap((method) => {
      const target = prototype?.[method] as ClerkEventHandler<ClerkEventType>;
      const types = this.#reflector.get(ClerkEventTypes, target);
      if (!types) return [];
      if (!isStatic)
        throw new Error(`${instance.constructor.name} handles events, and lives only as long as a request`);
      const inTransaction = this.#reflector.get(InEventTransaction, target) ?? false;
      const name = `clerk.${instance.constructor.name}.${method}`;
      return [{ name, types, inTransaction, handle: target.bind(instance) }];
    });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
