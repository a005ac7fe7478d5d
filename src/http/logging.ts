import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import type { Params } from 'nestjs-pino';
import type { Settings } from '../config/index.ts';
import { withoutRowValues } from '../database/index.ts';
import { pathOf } from './problem.filter.ts';

/** What Nest calls those that tell every module and route at the start, some fifty lines. */
const ROLL_CALL = new Set<unknown>(['InstanceLoader', 'RoutesResolver', 'RouterExplorer']);

/** Written as it is named, so that nothing secret is logged because somebody forgot to strike it out. */
function requestLine(request: IncomingMessage & { id: unknown; originalUrl?: string }) {
  return { id: request.id, method: request.method, path: pathOf(request.originalUrl ?? request.url ?? '/') };
}

/** Before pino makes an error's message that of the line. */
function withSafeErrors<Arguments extends unknown[]>([first, ...rest]: Arguments): Arguments {
  const { err } = (first ?? {}) as { err?: unknown };
  if (first instanceof Error) return [withoutRowValues(first), ...rest] as Arguments;
  return [err instanceof Error ? { ...(first as object), err: withoutRowValues(err) } : first, ...rest] as Arguments;
}

/** Why the request was refused, and whose it is, where it was. */
function withRefusal(request: IncomingMessage, facts: object): object {
  return { ...facts, ...(request as Request).refusal };
}

/** One line for each request, without headers, query or body. */
export function logging(settings: Settings): Params {
  return {
    pinoHttp: {
      level: settings.logLevel,
      genReqId: (request) => request.id,
      wrapSerializers: false,
      serializers: {
        req: requestLine,
        res: (response: { statusCode: number }) => ({ status: response.statusCode }),
      },
      hooks: {
        logMethod(args, method, level) {
          const facts = args[0] as { context?: unknown } | undefined;
          if (level === this.levels.values.info && ROLL_CALL.has(facts?.context)) this.debug(...args);
          else method.apply(this, withSafeErrors(args));
        },
      },
      redact: ['*.authorization', '*.cookie', '*.token', '*.headers', '*.secret', '*.password'],
      // the filter has logged what went wrong: pino-http would make up an error of its own for each answer of 5xx
      customErrorMessage: (_request, response) => (response.writableFinished ? 'request completed' : 'request aborted'),
      customErrorObject: (request, _response, _error, { err, ...facts }: Record<string, unknown>) =>
        withRefusal(request, facts),
      customSuccessObject: (request, _response, facts: Record<string, unknown>) => withRefusal(request, facts),
      autoLogging: { ignore: (request) => request.url === '/healthz' || request.url === '/readyz' },
    },
  };
}
