import { ForeignKeyConstraintViolationException, UniqueConstraintViolationException } from '@mikro-orm/core';
import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Logger,
  NotFoundException,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { isDatabaseUnavailable } from '../database/index.ts';
import { LineLimit } from './line-limit.ts';
import { Problem, type ProblemCode } from './problem.ts';
import { allowedMethods } from './route-methods.ts';

const CODE_OF_STATUS: Record<number, ProblemCode> = {
  406: 'not_acceptable',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  503: 'unavailable',
};

/** Turns whatever was thrown into a problem document; only the unexpected is logged as an error. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #logger = new Logger('Request');
  readonly #refusedTokens = new LineLimit();

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    const problem = problemOf(thrown, request);
    if (problem.code === 'internal') this.#logger.error(thrown);
    else if (problem.status === 503 && problem.cause) this.#logger.warn(problem.cause);
    sendProblem(request, response, problem);
    if (isOfToken(problem)) this.#logRefusedToken(request.refusal ?? {});
  }

  /** Without this a client whose tokens are all refused leaves an operator to guess which of the two is set up wrongly. */
  #logRefusedToken(facts: Record<string, unknown>): void {
    const reason = String(facts.reason);
    const leftOut = this.#refusedTokens.admit(reason);
    if (leftOut === undefined) return;
    const more = leftOut > 0 ? `, as ${leftOut} more before that have no line` : '';
    this.#logger.warn(facts, `Refused a token: ${reason.replaceAll('_', ' ')}${more}`);
  }
}

/** Answers with the problem document. When the answer has begun, all that is left is to end the connection. */
export function sendProblem(request: Request, response: Response, problem: Problem): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  request.refusal = { code: problem.code, reason: problem.code, ...request.caller, ...problem.logged };
  response.status(problem.status).set(problem.headers);
  response.type('application/problem+json').send(
    JSON.stringify({
      type: `/problems/${problem.code}`,
      title: problem.title,
      status: problem.status,
      detail: problem.detail,
      instance: pathOf(request.originalUrl),
      code: problem.code,
      requestId: request.id,
      errors: problem.errors,
      ...problem.members,
    }),
  );
}

/** Nothing after `?` or `#`: a client may have put a token there. */
export function pathOf(url: string): string {
  return url.split(/[?#]/, 1)[0] ?? '/';
}

/** A 401 for want of a token refuses none. */
function isOfToken({ code, status, logged }: Problem): boolean {
  return (
    (status === 401 && code !== 'token_missing') || code === 'token_type_not_accepted' || logged?.reason !== undefined
  );
}

function problemOf(thrown: unknown, request: Request): Problem {
  if (thrown instanceof Problem) return thrown;
  if (isDatabaseUnavailable(thrown)) return new Problem('unavailable', { cause: thrown });
  if (thrown instanceof UniqueConstraintViolationException || thrown instanceof ForeignKeyConstraintViolationException)
    return new Problem('conflict', { cause: thrown });
  const status = statusOf(thrown);
  if (thrown instanceof NotFoundException) return unknownRoute(request);
  const code = CODE_OF_STATUS[status];
  if (code) return new Problem(code, { cause: thrown });
  return new Problem(status >= 400 && status < 500 ? 'invalid_input' : 'internal', { cause: thrown });
}

/** Of Nest's exceptions, and of errors that express and its parsers meant for the client. */
function statusOf(thrown: unknown): number {
  if (thrown instanceof HttpException) return thrown.getStatus();
  if (thrown instanceof Error && 'status' in thrown && 'expose' in thrown) return Number(thrown.status);
  return 500;
}

/** Nest throws its own NotFoundException only where no route took the request; ours throw a Problem. */
function unknownRoute(request: Request): Problem {
  const methods = allowedMethods(request);
  if (methods.length === 0) return new Problem('not_found');
  return new Problem('method_not_allowed', { headers: { allow: methods.join(', ') } });
}
