import { beforeAll, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { type Route, routesOf } from './support/routes.ts';

/** Every route that answers callers without a token. */
const OPEN_ROUTES = [
  'GET healthz',
  'GET metrics',
  'GET problems/:code',
  'GET readyz',
  'GET v1/billing/plans',
  'POST webhooks/clerk',
];

interface Mounted {
  path: string;
  methods: Record<string, boolean>;
}

/** Nest's key. */
const SERIALIZER = 'class_serializer:options';

let app: TestApp;
let routes: Route[];

beforeAll(async () => {
  app = await startApp(await TestClerk.start());
  routes = routesOf(app.app);
});

describe('the routes', () => {
  it('are found', () => {
    expect(routes.map(({ name }) => name)).toContain('PATCH v1/me');
  });

  it('are closed, but for those on the list', () => {
    const open = routes.filter(({ isOpen }) => isOpen);
    expect(open.map(({ name }) => name).toSorted()).toEqual(OPEN_ROUTES);
  });

  it('that are closed refuse a caller without a token, and those on the list do not', async () => {
    for (const { name, method, path } of routes) {
      const { status } = await app.call(`/${path}`, { method });
      expect([name, status === 401]).toEqual([name, !OPEN_ROUTES.includes(name)]);
    }
  });

  it.each(['body', 'query'])('have a schema for every %s', (asked) => {
    const lacks = ({ kind, schema }: Route['parameters'][number]) => kind === asked && !schema;
    expect(routes.filter(({ parameters }) => parameters.some(lacks)).map(({ name }) => name)).toEqual([]);
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
    const ours = new Set(routes.map(({ path }) => `/${path}`));
    const others = mounted.filter((path) => !ours.has(path));
    expect(others).toContain('/openapi.json');
    expect(others.filter((path) => path !== '/openapi.json' && !path.startsWith('/docs'))).toEqual([]);
  });
});
