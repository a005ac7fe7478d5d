import { Injectable, type Type } from '@nestjs/common';
import { MetadataScanner, Reflector } from '@nestjs/core';
import { Public } from '../http/index.ts';
import { rulesDeclaredOn } from './require.decorators.ts';
import type { Rule } from './rules.ts';

/** What the decorators of a route and of its controller say together. */
export interface Route {
  readonly isOpen: boolean;
  readonly rules: readonly Rule[];
}

/** Reads each route once: the walk over the metadata costs as much as all the rest of a known token. */
@Injectable()
export class Routes {
  readonly #known = new Map<Type, Map<unknown, Route>>();

  constructor(
    private readonly reflector: Reflector,
    private readonly scanner: MetadataScanner,
  ) {}

  /** Throws where the decorators contradict each other, or belong to a function that is not the one called. */
  of(controller: Type, handler: unknown): Route {
    const routes = this.#known.get(controller) ?? new Map<unknown, Route>();
    const known = routes.get(handler);
    if (known) return known;
    const route = this.#read(controller, handler as Type);
    this.#known.set(controller, routes.set(handler, route));
    return route;
  }

  #read(controller: Type, handler: Type): Route {
    const prototype = controller.prototype as Record<string, unknown>;
    const names = this.scanner.getAllMethodNames(prototype).filter((name) => prototype[name] === handler);
    if (names.length === 0) throw new Error(`${controller.name} has a handler that is no method of its class`);
    const isOpen = this.reflector.getAllAndOverride(Public, [handler, controller]) ?? false;
    const rules = rulesDeclaredOn(controller, names);
    if (isOpen && rules.length > 0)
      throw new Error(`${controller.name}.${names[0]} is @Public() and asks for a caller: ${rules[0]?.refusal}`);
    return { isOpen, rules };
  }
}
