import { Injectable, type OnModuleInit, type Type } from '@nestjs/common';
import { DiscoveryService, HttpAdapterHost, MetadataScanner, Reflector } from '@nestjs/core';
import { Public } from '../http/index.ts';
import { meterOf } from './consumes.decorator.ts';
import { ConsumptionInterceptor } from './consumption.interceptor.ts';
import { Entitlements } from './entitlements.service.ts';

/** Stops the start where a quota would be no more than decoration. */
@Injectable()
export class ConsumesCheck implements OnModuleInit {
  constructor(
    private readonly entitlements: Entitlements,
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly server: HttpAdapterHost,
    private readonly reflector: Reflector,
  ) {}

  onModuleInit(): void {
    if (!this.server.httpAdapter) return;
    this.#refuseElsewhere();
    for (const { metatype } of this.discovery.getControllers()) {
      const controller = metatype as Type<Record<string, Type>>;
      for (const name of this.scanner.getAllMethodNames(controller.prototype as object)) {
        const fault = this.#faultOf(controller, name);
        if (fault) throw new Error(`${controller.name}.${name} ${fault}`);
      }
    }
  }

  /** Where no request is there is nobody to pay. */
  #refuseElsewhere(): void {
    for (const { instance } of this.discovery.getProviders()) {
      if (typeof instance !== 'object' || instance === null) continue;
      const prototype = Object.getPrototypeOf(instance) as object;
      for (const name of this.scanner.getAllMethodNames(prototype))
        if (meterOf(prototype, name))
          throw new Error(
            `${prototype.constructor.name}.${name} is no route, so @Consumes counts nothing there: call usage.consume`,
          );
    }
  }

  #faultOf(controller: Type<Record<string, Type>>, name: string): string | undefined {
    const declared = meterOf(controller.prototype as object, name);
    if (!declared) return undefined;
    const { meter, isLost } = declared;
    if (isLost) return `overrides what consumes ${meter}, and would not: give it @Consumes of its own`;
    if (!this.entitlements.hasMeter(meter))
      return `consumes ${meter}, which is no meter: add it to meters in src/entitlements.ts`;
    const handler = (controller.prototype as Record<string, Type>)[name] as Type;
    if (this.reflector.getAllAndOverride(Public, [handler, controller]))
      return `is @Public() and consumes ${meter}: nobody pays for it`;
    if (!this.#isIntercepted())
      return `consumes ${meter}, and ConsumptionInterceptor is not provided as APP_INTERCEPTOR`;
    return undefined;
  }

  #isIntercepted(): boolean {
    const interceptors = this.discovery.getProviders().filter(({ subtype }) => subtype === 'interceptor');
    return interceptors.some(({ instance }) => (instance as unknown) instanceof ConsumptionInterceptor);
  }
}
