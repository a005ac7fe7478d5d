import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';

const HEADER = 'x-request-id';

/** Gives the request the caller's id when it is a plain one, else a new one; answers it in the same header. */
export function withRequestId(request: Request, response: Response, next: NextFunction): void {
  const given = request.headers[HEADER];
  request.id = typeof given === 'string' && /^[\w.-]{1,128}$/.test(given) ? given : randomUUID();
  response.setHeader(HEADER, request.id);
  next();
}
