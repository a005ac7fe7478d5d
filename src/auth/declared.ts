/**
 * What decorators declare on controllers and their methods. Kept by the name of the method, since the function may yet be
 * wrapped by other decorators, and what is declared must not be lost with it.
 */
export function declare(key: string, valueOf: (before: unknown) => unknown): ClassDecorator & MethodDecorator {
  return (target: object, name?: string | symbol) => {
    if (name === undefined) Reflect.defineMetadata(key, valueOf(Reflect.getMetadata(key, target)), target);
    else Reflect.defineMetadata(key, valueOf(Reflect.getMetadata(key, target, name)), target, name);
  };
}

/** As declared on the controller, and on its methods of these names, where there is something. */
export function declaredOn<Value>(key: string, controller: { prototype: object }, methods: string[]) {
  const found = methods.map((name) => Reflect.getMetadata(key, controller.prototype, name) as Value | undefined);
  return {
    controller: Reflect.getMetadata(key, controller) as Value | undefined,
    methods: found.filter((value) => value !== undefined),
  };
}

/** Stops the start, with the name of what was to be decorated. */
export function complain(about: string): ClassDecorator & MethodDecorator {
  return (target: object, name?: string | symbol) => {
    const place = name === undefined ? (target as { name: string }).name : `${target.constructor.name}.${String(name)}`;
    throw new TypeError(`${place}: ${about}`);
  };
}
