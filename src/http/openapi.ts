import type { INestApplication } from '@nestjs/common';
import { MetadataScanner, ModulesContainer, Reflector } from '@nestjs/core';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { z } from 'zod';
import { Public } from './public.decorator.ts';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

const ProblemDocument = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  instance: z.string(),
  code: z.string(),
  requestId: z.string(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
});

const refusal = {
  description: 'A refusal: see `code`, and /problems/{code} for what it means',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** The OpenAPI 3.1 document of the routes; what every route has in common is derived, not written at each. */
function openApiOf(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Gatehouse')
    .setDescription('Refusals are application/problem+json (RFC 9457) with a stable `code`; see /problems/{code}.')
    .setVersion('1')
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: "Clerk's session token" },
      'session',
    )
    .addSecurityRequirements('session')
    .build();
  const document = SwaggerModule.createDocument(app, config, { operationIdFactory: operationId });
  const { $schema, ...problem } = z.toJSONSchema(ProblemDocument);
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: problem as object },
  };
  const open = openOperations(app);
  for (const item of Object.values(document.paths))
    for (const operation of METHODS.flatMap((method) => item[method] ?? [])) {
      operation.responses = { ...operation.responses, default: refusal };
      if (open.has(operation.operationId ?? '')) operation.security = [];
    }
  return document;
}

/** Serves the document at /openapi.json and a page to read it, from local files alone, at /docs. */
export function serveDocs(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => openApiOf(app), { jsonDocumentUrl: 'openapi.json', raw: ['json'] });
}

function operationId(controller: string, method: string): string {
  return `${controller}_${method}`;
}

function openOperations(app: INestApplication): Set<string> {
  const [reflector, scanner] = [app.get(Reflector), new MetadataScanner()];
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);
  const ids = controllers.flatMap(({ metatype }) => {
    const { name, prototype } = metatype as { name: string; prototype: Record<string, () => unknown> };
    const isOpen = (method: string) =>
      reflector.getAllAndOverride(Public, [prototype[method] ?? metatype, metatype] as never);
    return scanner
      .getAllMethodNames(prototype)
      .filter(isOpen)
      .map((method) => operationId(name, method));
  });
  return new Set(ids);
}
