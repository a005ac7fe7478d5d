import type { INestApplication, Type } from '@nestjs/common';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { z } from 'zod';
import { jsonSchemaConverter, nameComponents } from './json-schema.ts';

/** Who may call a route: the security requirements of OpenAPI, and the same for people. */
export interface RouteDescription {
  security: Record<string, string[]>[];
  description: string;
}

/** What knows who may call; auth fills it. */
export interface RouteDescriber {
  readonly securitySchemes: Record<string, { type: 'http'; scheme: string; bearerFormat: string; description: string }>;
  describe(controller: Type, handler: unknown): RouteDescription;
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

const ProblemDocument = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string(),
    requestId: z.string(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .meta({ id: 'Problem' });

const refusal = {
  description: 'A refusal: see `code`, and /problems/{code} for what it means',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** The OpenAPI 3.1 document of the routes; what every route has in common is derived, not written at each. */
function openApiOf(app: INestApplication, describer: RouteDescriber): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Gatehouse')
    .setDescription('Refusals are application/problem+json (RFC 9457) with a stable `code`; see /problems/{code}.')
    .setVersion('1')
    .build();
  const standardSchemaConverter = jsonSchemaConverter();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: operationId,
    standardSchemaConverter,
  });
  const problem = standardSchemaConverter(ProblemDocument, { schemaType: 'output' });
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, ...problem?.components },
    securitySchemes: describer.securitySchemes,
  };
  const descriptions = descriptionsOf(app, describer);
  for (const item of Object.values(document.paths))
    for (const operation of METHODS.flatMap((method) => item[method] ?? [])) {
      const { security, description } = descriptions.get(operation.operationId ?? '') ?? {};
      const descriptionLines = [operation.description, description].filter(Boolean);
      Object.assign(operation, { security, description: descriptionLines.join('\n\n') || undefined });
      operation.responses = { ...operation.responses, default: refusal };
    }
  return nameComponents(document);
}

/** Serves the document at /openapi.json and a page to read it, from local files alone, at /docs. */
export function serveDocs(app: INestApplication, describer: RouteDescriber): void {
  SwaggerModule.setup('docs', app, () => openApiOf(app, describer), { jsonDocumentUrl: 'openapi.json', raw: ['json'] });
}

function operationId(controller: string, method: string): string {
  return `${controller}_${method}`;
}

/** By the id of the operation. */
function descriptionsOf(app: INestApplication, describer: RouteDescriber): Map<string, RouteDescription> {
  const scanner = new MetadataScanner();
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);
  const described = controllers.flatMap(({ metatype }) => {
    const controller = metatype as Type<Record<string, object>>;
    const prototype = controller.prototype as Record<string, object>;
    const isRoute = (name: string) => Reflect.hasMetadata('path', prototype[name] ?? {});
    return scanner
      .getAllMethodNames(prototype)
      .filter(isRoute)
      .map((name) => [operationId(controller.name, name), describer.describe(controller, prototype[name])] as const);
  });
  return new Map(described);
}
