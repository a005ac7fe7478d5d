import type { Request } from 'express';

interface Layer {
  route?: { methods: Record<string, boolean> };
  match(path: string): boolean;
}

/** The methods of the routes whose path is that of the request; empty: there is no such path. */
export function allowedMethods(request: Request): string[] {
  const { stack } = request.app.router as unknown as { stack: Layer[] };
  const methods = stack.filter((layer) => layer.match(request.path)).flatMap(methodsOf);
  return [...new Set(methods)].toSorted();
}

/** Nest mounts middleware as routes for every method there is, `trace` among them. */
function methodsOf({ route }: Layer): string[] {
  if (!route || route.methods.trace) return [];
  const methods = Object.keys(route.methods).map((method) => method.toUpperCase());
  return methods.includes('GET') ? [...methods, 'HEAD'] : methods;
}
