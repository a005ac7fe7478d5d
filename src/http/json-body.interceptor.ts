import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import type { Observable } from 'rxjs';
import { BodyPlaces } from './body-places.ts';
import { parseJson } from './parse-json.ts';
import { Problem } from './problem.ts';
import { Public } from './public.decorator.ts';
import { RawBody } from './raw-body.decorator.ts';
import { readBytes } from './read-bytes.ts';

const MAX_BODY_BYTES = 102_400;
const MAX_DEPTH = 32;
/** Names that every object has: schemas drop them in silence, and code that copies objects may change what all of them inherit. */
const FORBIDDEN_KEYS = ['__proto__', 'constructor', 'prototype'];
const FORBIDDEN = `No key may be ${FORBIDDEN_KEYS.join(', ')}.`;

/**
 * Reads the body once the guard has let the request in, so that a stranger cannot make us read or parse one. On a route that
 * is open to strangers a body needs a place. Checks the names in the query, too, which schemas drop in silence.
 */
@Injectable()
export class JsonBodyInterceptor implements NestInterceptor {
  readonly #places = new BodyPlaces();

  constructor(private readonly reflector: Reflector) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<Request>();
    if (request.url.includes('?')) checkNames(request);
    const rawLimit = this.reflector.get(RawBody, context.getHandler());
    const isOpen = this.reflector.getAllAndOverride(Public, [context.getHandler(), context.getClass()]) ?? false;
    if (rawLimit) request.body = await this.#read(request, rawLimit, isOpen);
    else if (expectsJson(request)) request.body = jsonOf(await this.#read(request, MAX_BODY_BYTES, isOpen));
    return next.handle();
  }

  #read(request: Request, maxBytes: number, isOpen: boolean): Promise<Buffer> {
    if (!isOpen) return readBytes(request, maxBytes);
    const announced = Math.min(Number(request.headers['content-length'] ?? maxBytes), maxBytes);
    return this.#places.hold(request.ip ?? '', announced, (lapse) => readBytes(request, maxBytes, lapse));
  }
}

/** Of the query, as of a body; also in brackets (`a[constructor]`), which are a part of the name here and keys elsewhere. */
function checkNames({ query }: Request): void {
  const keys = Object.keys(query).flatMap((name) => name.split(/[[\]]+/));
  if (keys.some((key) => FORBIDDEN_KEYS.includes(key))) throw new Problem('invalid_input', { detail: FORBIDDEN });
}

/** Whether there is a body, which is then JSON. */
function expectsJson(request: Request): boolean {
  if (!request.accepts('json')) throw new Problem('not_acceptable');
  if (!hasBody(request)) return false;
  if (!isJson(request)) throw new Problem('unsupported_media_type');
  return true;
}

function jsonOf(bytes: Buffer): unknown {
  const body = parseJson(bytes);
  if (isDeeper(body, MAX_DEPTH)) throw new Problem('invalid_input', { detail: 'The body is nested too deeply.' });
  if (hasForbiddenKey(body)) throw new Problem('invalid_input', { detail: FORBIDDEN });
  return body;
}

/** RFC 8259, section 8.1: JSON between systems is UTF-8. */
function isJson(request: Request): boolean {
  const charset = /;\s*charset="?([^";\s]*)/i.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8';
  return Boolean(request.is('application/json')) && charset.toLowerCase() === 'utf-8';
}

/** RFC 9112, section 6: a body is there when either header says so. */
function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Bounded here, since what walks a value further on recurses. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

function hasForbiddenKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return FORBIDDEN_KEYS.some((key) => Object.hasOwn(value, key)) || Object.values(value).some(hasForbiddenKey);
}
