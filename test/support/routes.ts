import { type INestApplication, RequestMethod, type Type } from '@nestjs/common';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import type { z } from 'zod';
import { type Route as Declared, Routes } from '../../src/auth/routes.service.ts';
import type { Answer, Call } from './http.ts';
import { type Extent, sample } from './sample.ts';

/** A route as Nest has it, with what its decorators say. */
export interface Route extends Declared {
  /** `GET v1/projects/:id` */
  name: string;
  method: string;
  path: string;
  controller: Type;
  handler: (...args: never[]) => unknown;
  parameters: Parameter[];
}

interface Parameter {
  kind: 'body' | 'query' | 'path';
  /** Undefined: all of the body, or of the query. */
  name: string | undefined;
  schema: z.ZodType | undefined;
}

/** Who calls, and may. */
export interface RouteCaller {
  /** The ids of the caller and its tenant, which are no sample of what a route is about. */
  own: readonly string[];
  call(route: Route, path: string, call: Call): Promise<Answer>;
}

/** Nest's key of a handler's parameters, and of their kinds (RouteParamtypes). */
const ARGUMENTS = '__routeArguments__';
const KINDS: Record<string, Parameter['kind']> = { 3: 'body', 4: 'query', 5: 'path' };

export function routesOf(app: INestApplication): Route[] {
  const scanner = new MetadataScanner();
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);
  return controllers.flatMap(({ metatype }) => {
    const controller = metatype as Type;
    const names = scanner.getAllMethodNames(controller.prototype as object);
    return names.flatMap((name) => routesOn(app.get(Routes, { strict: false }), controller, name));
  });
}

function routesOn(declared: Routes, controller: Type, name: string): Route[] {
  const handler = controller.prototype[name] as Route['handler'];
  const verb = Reflect.getMetadata('method', handler) as RequestMethod | undefined;
  if (verb === undefined) return [];
  const [method, parameters] = [RequestMethod[verb], parametersOf(controller, name)];
  return pathsOf(controller, handler).map((path) => {
    const route = { name: `${method} ${path}`, method, path, controller, handler, parameters };
    return { ...route, ...declared.of(controller, handler) };
  });
}

function pathsOf(controller: Type, handler: object): string[] {
  const [outer, inner] = [controller, handler].map(
    (target) => [Reflect.getMetadata('path', target)].flat() as string[],
  );
  const paths = (outer ?? []).flatMap((before) => (inner ?? []).map((after) => `${before}/${after}`));
  return paths.map((path) => path.split('/').filter(Boolean).join('/'));
}

function parametersOf(controller: Type, method: string): Parameter[] {
  type Kept = Record<string, { data?: string; schema?: z.ZodType }>;
  const kept = (Reflect.getMetadata(ARGUMENTS, controller, method) ?? {}) as Kept;
  return Object.entries(kept).flatMap(([key, { data: name, schema }]) => {
    const kind = KINDS[key.split(':')[0] ?? ''];
    return kind ? [{ kind, name, schema }] : [];
  });
}

/** What to call the route with, so that it does what it is there for: a path to something that is there, query and body. */
export async function callOf(route: Route, routes: Route[], caller: RouteCaller): Promise<[path: string, call: Call]> {
  const parts: string[] = [];
  for (const [index, part] of route.path.split('/').entries()) {
    const template = route.path.split('/').slice(0, index).join('/');
    const list = { template, path: parts.join('/') };
    parts.push(part.startsWith(':') ? await idFor(part.slice(1), route, list, routes, caller) : part);
  }
  const query = new URLSearchParams(inputOf(route, 'query', 'required') as Record<string, string>);
  const path = `/${parts.join('/')}${query.size > 0 ? `?${query.toString()}` : ''}`;
  return [path, { method: route.method, body: inputOf(route, 'body', 'some') as object | undefined }];
}

function inputOf(route: Route, kind: Parameter['kind'], extent: Extent): unknown {
  const values = route.parameters.flatMap((parameter) => {
    if (parameter.kind !== kind || !parameter.schema) return [];
    const value = sample(parameter.schema, extent);
    return [parameter.name === undefined ? value : { [parameter.name]: value }];
  });
  return values.length > 1 ? Object.assign({}, ...values) : values[0];
}

/** What a list has. */
type Item = Record<string, unknown>;

/** By the example of its schema; else of what `POST` of the list makes, or of the last in the list. */
async function idFor(
  name: string,
  route: Route,
  { template, path }: { template: string; path: string },
  routes: Route[],
  caller: RouteCaller,
): Promise<string> {
  const schema = route.parameters.find((parameter) => parameter.kind === 'path' && parameter.name === name)?.schema;
  if (schema) return String(sample(schema));
  const isIn = (method: string) => routes.find((other) => other.name === `${method} ${template}` && other !== route);
  const source = isIn('POST') ?? isIn('GET');
  if (!source) throw new Error(lacking(route, name, `there is neither POST nor GET ${template}`));
  const body = inputOf(source, 'body', 'some') as object | undefined;
  const answer = await caller.call(source, `/${path}`, { method: source.method, body });
  const items = (source.method === 'POST' ? [answer.body] : answer.body.data) as Item[] | undefined;
  const ids = (items ?? []).map((item) => (item[name.replace(/Id$/, '')] as Item | undefined)?.id ?? item.id);
  const id = ids.findLast((each): each is string => typeof each === 'string' && !caller.own.includes(each));
  if (id === undefined)
    throw new Error(lacking(route, name, `${source.name} answers ${answer.status} ${JSON.stringify(answer.body)}`));
  return id;
}

function lacking(route: Route, parameter: string, why: string): string {
  const remedy = 'give it a list, a POST, or its @Param a schema with an example';
  return `${route.name}: nothing is known for :${parameter}, for ${why}: ${remedy}`;
}
