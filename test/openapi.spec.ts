import { beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { DocumentSchemas } from './support/json-schema.ts';

interface Operation {
  description?: string;
  security?: object[];
  requestBody?: object;
  responses: Record<string, { content?: object }>;
}

let app: TestApp;
let document: { openapi: string; paths: Record<string, Record<string, Operation>>; components: object };

beforeAll(async () => {
  app = await startApp(await TestClerk.start());
  document = (await app.call('/openapi.json')).body as typeof document;
});

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
  );

describe('/openapi.json', () => {
  it('is a valid OpenAPI 3.1 document', async () => {
    const result = await new Validator().validate(structuredClone(document));
    expect([result.valid, result.errors]).toEqual([true, undefined]);
    expect(document.openapi).toMatch(/^3\.1\./);
  });

  it('holds JSON Schema 2020-12 alone', () => {
    const schemas = new DocumentSchemas(document);
    expect(schemas.places.length).toBeGreaterThan(50);
    for (const place of schemas.places) expect([place, schemas.compile(place)]).toEqual([place, expect.any(Function)]);
    expect(JSON.stringify(document)).not.toMatch(/"nullable"|"\$schema"|"\$defs"/);
  });

  it('has a schema for every answer and refers to the problem document for refusals', () => {
    for (const { name, operation } of operations()) {
      const contents = Object.entries(operation.responses);
      expect([name, contents.every(([status, { content }]) => status === '204' || content)]).toEqual([name, true]);
      expect([name, Object.keys(operation.responses.default?.content ?? {})]).toEqual([
        name,
        ['application/problem+json'],
      ]);
    }
  });

  it('marks the open routes as open', () => {
    const open = operations().filter(({ operation }) => operation.security?.length === 0);
    expect(open.map(({ name }) => name).toSorted()).toEqual([
      'GET /healthz',
      'GET /metrics',
      'GET /problems/{code}',
      'GET /readyz',
      'GET /v1/billing/plans',
      'POST /webhooks/clerk',
    ]);
  });
});

describe('who may call', () => {
  const operation = (method: string, path: string) => document.paths[path]?.[method];

  it('is said of every route, with a scheme for each kind of token that it takes', () => {
    const { securitySchemes } = (document as unknown as { components: { securitySchemes: object } }).components;
    expect(Object.keys(securitySchemes)).toEqual(['session_token', 'api_key', 'm2m_token', 'oauth_token']);
    for (const {
      name,
      operation: { security = [], description = '' },
    } of operations()) {
      const schemes = security.flatMap((scheme) => Object.keys(scheme));
      expect([name, schemes.every((scheme) => scheme in securitySchemes)]).toEqual([name, true]);
      expect([name, /Takes an? /.test(description)]).toEqual([name, schemes.length > 0]);
    }
  });

  it('is read off the decorators', () => {
    expect(operation('post', '/v1/projects')).toMatchObject({
      security: [{ session_token: [] }, { api_key: ['projects:write'] }],
      description:
        'Takes a session token, or an API key. ' +
        'Asks of a session: an organization; the permission `org:projects:write`. ' +
        'Asks of a machine: an organization; the scope `projects:write`.',
    });
    expect(operation('get', '/v1/tenant/members')).toMatchObject({
      security: [{ session_token: [] }],
      description: 'Takes a session token. Asks of a session: an organization.',
    });
    expect(operation('delete', '/v1/tenant')).toMatchObject({
      description:
        'Takes a session token. Asks of a session: the role `org:admin`; a fresh verification (`"strict"`); ' +
        'nobody who acts as somebody else.',
    });
    expect(operation('get', '/v1/me')).toMatchObject({ description: 'Takes a session token.' });
  });
});

describe('/docs', () => {
  it('loads nothing from elsewhere', async () => {
    const { status, body } = await app.call('/docs');
    expect(status).toBe(200);
    const sources = [...String(body.text).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source ?? '');
    expect(sources.length).toBeGreaterThan(3);
    for (const source of sources) {
      expect(source).not.toMatch(/^(https?:)?\/\//);
      expect((await app.call(new URL(source, `${app.url}/docs`).pathname)).status).toBe(200);
    }
  });

  it('is off where API_DOCS is off', async () => {
    const off = await startApp(await TestClerk.start(), { API_DOCS: 'off' });
    for (const path of ['/docs', '/openapi.json']) expect((await off.call(path)).status).toBe(404);
  });
});
