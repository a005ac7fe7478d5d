import type { NextFunction, Request, Response } from 'express';
import type { DatabaseStartup } from '../database/index.ts';
import { sendProblem } from './problem.filter.ts';
import { Problem } from './problem.ts';

const ALWAYS_ANSWERED = ['/healthz', '/readyz'];

/** Nothing is served before the database is what it must be: 503 for all but the probes. */
export function untilReady(startup: DatabaseStartup) {
  return (request: Request, response: Response, next: NextFunction): void => {
    if (startup.waitingFor === undefined || ALWAYS_ANSWERED.includes(request.path)) next();
    else sendProblem(request, response, new Problem('unavailable'));
  };
}
