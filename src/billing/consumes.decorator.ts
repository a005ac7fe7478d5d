import { AsyncLocalStorage } from 'node:async_hooks';
import { ApiResponse } from '@nestjs/swagger';
import { METER_NAME } from './entitlement-book.ts';

/** One thing of a meter, consumed while work is done, and given back where that fails. */
type Consume = <T>(meter: string, work: () => Promise<T>) => Promise<T>;

type Method = (this: unknown, ...values: unknown[]) => unknown;

const METER = 'gatehouse:meter';

/** For OpenAPI, by status. */
const REFUSALS = { 402: 'the plan has no more of', 429: 'the plan has no more in this period of' };

const PROBLEM = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };

/** How the request that is under way consumes; filled by ConsumptionInterceptor. */
export const CONSUMING = new AsyncLocalStorage<Consume>();

/**
 * Consumes one of this meter for each call of the method, of the tenant's or else of the user's: after the input was found
 * valid, and before the method runs. `quota_exceeded` where nothing is left; given back where the method throws. The method
 * does its work before it resolves, and writes in one transaction. A client's Idempotency-Key has no part in it: as long as
 * answers are not stored, who sends one key again and again would consume without end.
 */
export function Consumes(meter: string): MethodDecorator {
  return ((target: object, name: string | symbol, descriptor: TypedPropertyDescriptor<Method>) => {
    const complain = (about: string) => {
      throw new TypeError(`${target.constructor.name}.${String(name)}: ${about}`);
    };
    if (!METER_NAME.test(meter)) complain(`${meter} is no name of a meter: letters, digits, _, . and -`);
    if (Reflect.hasOwnMetadata(METER, target, name)) complain('@Consumes stands once, for one meter');
    Reflect.defineMetadata(METER, meter, target, name);
    descriptor.value = consuming(descriptor.value as Method, meter);
    for (const [status, when] of Object.entries(REFUSALS))
      ApiResponse({ status: Number(status), description: `quota_exceeded: ${when} ${meter}`, content: PROBLEM })(
        target,
        name,
        descriptor,
      );
  }) as MethodDecorator;
}

/** What the method of that name is declared to consume, and whether an override without @Consumes would not; null: nothing. */
export function meterOf(prototype: object, name: string): { meter: string; isLost: boolean } | null {
  const meter = Reflect.getMetadata(METER, prototype, name) as string | undefined;
  if (meter === undefined) return null;
  let owner: object | null = prototype;
  while (owner && !Object.hasOwn(owner, name)) owner = Object.getPrototypeOf(owner) as object | null;
  return { meter, isLost: owner !== null && !Reflect.hasOwnMetadata(METER, owner, name) };
}

/** What other decorators have put on the function goes with it, so that their order does not matter. */
function consuming(method: Method, meter: string): Method {
  const consumer = {
    async [method.name](this: unknown, ...values: unknown[]) {
      const consume = CONSUMING.getStore();
      if (!consume) throw new Error(`${method.name} consumes ${meter}, and ConsumptionInterceptor did not run`);
      return consume(meter, async () => method.apply(this, values));
    },
  }[method.name] as Method;
  for (const key of Reflect.getOwnMetadataKeys(method))
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, method), consumer);
  return consumer;
}
