import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { json, type Request, type Response } from 'express';
import type { Observable } from 'rxjs';
import { Problem } from './problem.ts';

const MAX_BODY = '100kb';
const MAX_DEPTH = 32;

const readJson = json({ limit: MAX_BODY, inflate: false, strict: false, type: () => true });

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
  if (!request.is('application/json')) throw new Problem('unsupported_media_type');
  await new Promise<void>((resolve, reject) => {
    readJson(request, response, (error?: unknown) => (error ? reject(error as Error) : resolve()));
  });
  if (isDeeper(request.body, MAX_DEPTH)) throw new Problem('invalid_input', { detail: 'The body is nested too deeply.' });
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
