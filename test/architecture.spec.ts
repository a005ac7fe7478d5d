import { beforeAll, describe, expect, it } from '@jest/globals';
import { RequestMethod, type Type } from '@nestjs/common';
import { MetadataScanner, ModulesContainer, Reflector } from '@nestjs/core';
import { Public } from '../src/http/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

/** Every route that answers callers without a token. */
const OPEN_ROUTES = ['GET healthz', 'GET metrics', 'GET problems/:code', 'GET readyz', 'POST webhooks/clerk'];

interface Route {
  name: string;
  handler: (...args: never[]) => unknown;
  controller: Type;
}

interface Mounted {
  path: string;
  methods: Record<string, boolean>;
}

interface ParameterMetadata {
  schema?: unknown;
}

/** Nest's keys; the parameter kinds are those of its RouteParamtypes. */
const BODY = '3';
const QUERY = '4';
const SERIALIZER = 'class_serializer:options';
const ARGUMENTS = '__routeArguments__';

let app: TestApp;
let routes: Route[];

beforeAll(async () => {
  app = await startApp(await TestClerk.start());
  const scanner = new MetadataScanner();
  routes = [...app.app.get(ModulesContainer).values()]
    .flatMap((module) => [...module.controllers.values()])
    .flatMap(({ instance, metatype }) =>
      scanner
        .getAllMethodNames(Object.getPrototypeOf(instance))
        .flatMap((method) => routesOf(metatype as Type, method)),
    );
});

function routesOf(controller: Type, method: string): Route[] {
  const handler = controller.prototype[method] as Route['handler'];
  const verb = Reflect.getMetadata('method', handler) as RequestMethod | undefined;
  if (verb === undefined) return [];
  const paths = [Reflect.getMetadata('path', controller), Reflect.getMetadata('path', handler)] as string[];
  const path = paths
    .map((part) => part.replaceAll(/^\/|\/$/g, ''))
    .filter(Boolean)
    .join('/');
  return [{ name: `${RequestMethod[verb]} ${path}`, handler, controller }];
}

function parametersOf({ controller, handler }: Route, kind: string): ParameterMetadata[] {
  const all = (Reflect.getMetadata(ARGUMENTS, controller, handler.name) ?? {}) as Record<string, ParameterMetadata>;
  return Object.entries(all)
    .filter(([key]) => key.startsWith(`${kind}:`))
    .map(([, parameter]) => parameter);
}

describe('the routes', () => {
  it('are found', () => {
    expect(routes.map(({ name }) => name)).toContain('PATCH v1/me');
  });

  it('are closed, but for those on the list', () => {
    const reflector = app.app.get(Reflector);
    const open = routes.filter(({ handler, controller }) => reflector.getAllAndOverride(Public, [handler, controller]));
    expect(open.map(({ name }) => name).toSorted()).toEqual(OPEN_ROUTES);
  });

  it('that are closed refuse a caller without a token, and those on the list do not', async () => {
    for (const { name } of routes) {
      const [method, path] = name.split(' ');
      const { status } = await app.call(`/${path}`, { method });
      expect([name, status === 401]).toEqual([name, !OPEN_ROUTES.includes(name)]);
    }
  });

  it.each([
    ['body', BODY],
    ['query', QUERY],
  ])('have a schema for every %s', (_, kind) => {
    for (const route of routes)
      for (const parameter of parametersOf(route, kind))
        expect([route.name, Boolean(parameter.schema)]).toEqual([route.name, true]);
  });

  it('have a schema for every answer', () => {
    for (const { name, handler, controller } of routes) {
      const options = [handler, controller].map(
        (target) => Reflect.getMetadata(SERIALIZER, target) as { schema?: unknown } | undefined,
      );
      expect([name, options.some((option) => option?.schema)]).toEqual([name, true]);
    }
  });

  it('that no controller has are the documentation alone', () => {
    const { router } = app.app.getHttpAdapter().getInstance() as { router: { stack: { route?: Mounted }[] } };
    const mounted = router.stack.flatMap(({ route }) => (route && !route.methods.trace ? [route.path] : []));
    const ours = new Set(routes.map(({ name }) => `/${name.split(' ')[1]}`));
    const others = mounted.filter((path) => !ours.has(path));
    expect(others).toContain('/openapi.json');
    expect(others.filter((path) => path !== '/openapi.json' && !path.startsWith('/docs'))).toEqual([]);
  });
});
