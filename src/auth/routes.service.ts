import { Injectable, type Type } from '@nestjs/common';
import { MetadataScanner, Reflector } from '@nestjs/core';
import { Public } from '../http/index.ts';
import { acceptedOn, SESSIONS_ONLY } from './accepts.decorator.ts';
import { rulesDeclaredOn } from './require.decorators.ts';
import type { Rule } from './rule.ts';
import type { TokenType } from './token-type.ts';

/** What the decorators of a route and of its controller say together. */
export interface Route {
  readonly isOpen: boolean;
  readonly rules: readonly Rule[];
  /** The kinds of token that it takes. */
  readonly accepts: readonly TokenType[];
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
    const route = { isOpen, rules: rulesDeclaredOn(controller, names), accepts: acceptedOn(controller, names) };
    const contradiction = contradictionIn(route);
    if (contradiction) throw new Error(`${controller.name}.${names[0]} ${contradiction}`);
    return route;
  }
}

/** Whether decorators say anything that the guard must ask. */
export function isDecorated({ rules, accepts }: Route): boolean {
  return rules.length > 0 || accepts !== SESSIONS_ONLY;
}

function contradictionIn(route: Route): string | undefined {
  const [rule] = route.rules;
  if (route.isOpen && isDecorated(route)) return `is @Public() and asks for a caller: ${rule?.refusal ?? '@Accepts'}`;
  const isScoped = route.rules.some(({ refusal }) => refusal === 'scope_required');
  if (isScoped && route.accepts.every((type) => type === 'session_token'))
    return '@RequireScope judges machines alone, and it takes none: add @Accepts';
  return undefined;
}
