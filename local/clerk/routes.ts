import type { IncomingMessage } from 'node:http';
import type { Answer } from './answers.ts';

export interface Call {
  request: IncomingMessage;
  query: URLSearchParams;
  /** What stands in the path for `:id`, `:userId` and the like. */
  id: string;
  userId: string;
  invitationId: string;
}

export type Route = (call: Call) => Answer | Promise<Answer>;

/** Routes by their method and path: `GET users/:id`. */
export class Routes {
  readonly #routes: { parts: string[]; route: Route }[];

  constructor(routes: Record<string, Route>) {
    this.#routes = Object.entries(routes).map(([name, route]) => ({ parts: partsOf(name), route }));
  }

  /** What the first route that fits answers; undefined where none does. */
  answer(request: IncomingMessage, url: URL, prefix: string): Answer | Promise<Answer> | undefined {
    const parts = partsOf(`${request.method} ${url.pathname.slice(prefix.length)}`);
    const found = this.#routes.find((known) => fits(known.parts, parts));
    const of = (name: string) => decodeURIComponent(parts[found?.parts.indexOf(name) ?? -1] ?? '');
    const ids = { id: of(':id'), userId: of(':userId'), invitationId: of(':invitationId') };
    return found?.route({ request, query: url.searchParams, ...ids });
  }
}

const partsOf = (name: string) => name.split(/[ /]/);

function fits(known: string[], parts: string[]): boolean {
  return (
    known.length === parts.length &&
    known.every((part, index) => (part.startsWith(':') ? parts[index] !== '' : part === parts[index]))
  );
}
