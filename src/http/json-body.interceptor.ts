import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { type Request, type Response, raw } from 'express';
import type { Observable } from 'rxjs';
import { Problem } from './problem.ts';

const MAX_BODY = '100kb';
const MAX_DEPTH = 32;

/** The bytes alone: express's own JSON parser takes any UTF, and mends what is broken. */
const readBytes = raw({ limit: MAX_BODY, inflate: false, type: () => true });
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Reads the body once the guard has let the request in, so that a stranger cannot make us read or parse one. */
@Injectable()
export class JsonBodyInterceptor implements NestInterceptor {
  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<Request>();
    if (!request.accepts('json')) throw new Problem('not_acceptable');
    if (hasBody(request)) await readBody(request, context.switchToHttp().getResponse<Response>());
    return next.handle();
  }
}

async function readBody(request: Request, response: Response): Promise<void> {
  if (!isJson(request)) throw new Problem('unsupported_media_type');
  await new Promise<void>((resolve, reject) => {
    readBytes(request, response, (error?: Error) => (error ? reject(error) : resolve()));
  });
  request.body = parse(request.body as Buffer);
  if (isDeeper(request.body, MAX_DEPTH))
    throw new Problem('invalid_input', { detail: 'The body is nested too deeply.' });
}

/** RFC 8259, section 8.1: JSON between systems is UTF-8. */
function isJson(request: Request): boolean {
  const charset = /;\s*charset="?([^";\s]*)/i.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8';
  return Boolean(request.is('application/json')) && charset.toLowerCase() === 'utf-8';
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(UTF8.decode(bytes));
  } catch (cause) {
    throw new Problem('invalid_input', { detail: 'The body is not JSON in UTF-8.', cause });
  }
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
