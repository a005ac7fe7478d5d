import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { type Request, type Response, raw } from 'express';
import type { Observable } from 'rxjs';
import { parseJson } from './parse-json.ts';
import { Problem } from './problem.ts';
import { RawBody } from './raw-body.decorator.ts';

const MAX_BODY = '100kb';
const MAX_DEPTH = 32;

/** Reads the body once the guard has let the request in, so that a stranger cannot make us read or parse one. */
@Injectable()
export class JsonBodyInterceptor implements NestInterceptor {
  constructor(private readonly reflector: Reflector) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const [request, response] = [
      context.switchToHttp().getRequest<Request>(),
      context.switchToHttp().getResponse<Response>(),
    ];
    const rawLimit = this.reflector.get(RawBody, context.getHandler());
    if (rawLimit) await readBytes(request, response, rawLimit);
    else await readJson(request, response);
    return next.handle();
  }
}

/** By limit: making one costs more than finding it. */
const readers = new Map<string, ReturnType<typeof raw>>();

/** The bytes alone: express's own JSON parser takes any UTF, and mends what is broken. */
async function readBytes(request: Request, response: Response, limit: string): Promise<void> {
  const read = readers.get(limit) ?? raw({ limit, inflate: false, type: () => true });
  readers.set(limit, read);
  await new Promise<void>((resolve, reject) => {
    read(request, response, (error?: Error) => (error ? reject(error) : resolve()));
  });
}

async function readJson(request: Request, response: Response): Promise<void> {
  if (!request.accepts('json')) throw new Problem('not_acceptable');
  if (!hasBody(request)) return;
  if (!isJson(request)) throw new Problem('unsupported_media_type');
  await readBytes(request, response, MAX_BODY);
  request.body = parseJson(request.body as Buffer);
  if (isDeeper(request.body, MAX_DEPTH))
    throw new Problem('invalid_input', { detail: 'The body is nested too deeply.' });
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
