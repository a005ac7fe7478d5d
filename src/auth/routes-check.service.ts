import { Injectable, type OnModuleInit, type Type } from '@nestjs/common';
import { DiscoveryService, HttpAdapterHost, MetadataScanner, Reflector } from '@nestjs/core';
import { ClerkAuthGuard } from './clerk-auth.guard.ts';
import { isDecorated, Routes } from './routes.service.ts';

/** Stops the start where a rule would be no more than decoration: on an open route, or without the guard that asks it. */
@Injectable()
export class RoutesCheck implements OnModuleInit {
  constructor(
    private readonly routes: Routes,
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly server: HttpAdapterHost,
    private readonly reflector: Reflector,
  ) {}

  onModuleInit(): void {
    if (!this.server.httpAdapter) return;
    const isGuarded = this.#isGuarded();
    for (const { metatype, instance } of this.discovery.getControllers())
      for (const [name, handler] of this.#handlersOf(instance as Record<string, object>)) {
        const controller = metatype as Type;
        if (isDecorated(this.routes.of(controller, handler)) && !isGuarded)
          throw new Error(
            `${controller.name}.${name} has rules that nobody asks: ClerkAuthGuard is not provided as APP_GUARD`,
          );
      }
  }

  #isGuarded(): boolean {
    const guards = this.discovery.getProviders().filter(({ subtype }) => subtype === 'guard');
    return guards.some(({ instance }) => (instance as unknown) instanceof ClerkAuthGuard);
  }

  /** The functions that Nest calls for the routes: of the instance, which need not be those of its class. */
  #handlersOf(instance: Record<string, object>): [name: string, handler: object][] {
    const prototype = Object.getPrototypeOf(instance) as Record<string, object>;
    const names = this.scanner.getAllMethodNames(prototype);
    const isRoute = (name: string) => this.reflector.get<unknown>('path', prototype[name] as Type) !== undefined;
    return names.filter(isRoute).map((name) => [name, instance[name] as object]);
  }
}
