import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { onClose } from './closing.ts';

/** One call to Clerk and what it answered; whatever is changed in it is what the caller gets. */
export interface Exchange {
  method: string;
  path: string;
  /** Calls before this one. */
  index: number;
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

type Answer = Pick<Exchange, 'status' | 'body'> & Partial<Pick<Exchange, 'headers'>>;

/** A network to Clerk that can change what Clerk answers, and answer in its place. */
export class ClerkProxy {
  readonly calls: { method: string; path: string; body: string; at: number }[] = [];
  /** Called with each answer before it is passed on. */
  meddle: (exchange: Exchange) => unknown = () => undefined;
  /** What is answered to a call that Clerk does not get. */
  instead: (call: { method: string; path: string }) => Answer | undefined = () => undefined;
  readonly #clerk: string;
  #server!: Server;

  private constructor(clerk: string) {
    this.#clerk = clerk;
  }

  static async start(clerk: string): Promise<ClerkProxy> {
    const proxy = new ClerkProxy(clerk);
    proxy.#server = createServer((request, response) => void proxy.#pass(request, response));
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening');
    onClose(async () => proxy.#server.close().closeAllConnections());
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Refuses calls to a path that begins so, in Clerk's form. */
  refuse(path: string, status: number, code = 'unexpected'): void {
    const body = { errors: [{ code, message: code }] };
    this.instead = (call) => (call.path.startsWith(path) ? { status, body } : undefined);
  }

  /** Passes everything on as it is again. */
  pass(): void {
    this.instead = () => undefined;
    this.meddle = () => undefined;
  }

  /** How many calls of that method were made to a path that begins so. */
  count(method: string, path: string): number {
    return this.calls.filter((call) => call.method === method && call.path.startsWith(path)).length;
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '' } = request;
    const body = await text(request);
    const index = this.calls.push({ method, path, body, at: performance.now() }) - 1;
    const answer = this.instead({ method, path }) ?? (await this.#ask(request, body));
    const headers = { 'content-type': 'application/json', ...answer.headers };
    const exchange: Exchange = { method, path, index, ...answer, headers };
    await this.meddle(exchange);
    response.writeHead(exchange.status, exchange.headers).end(JSON.stringify(exchange.body));
  }

  async #ask({ method, url, headers: sent }: IncomingMessage, body: string): Promise<Answer> {
    const answer = await fetch(`${this.#clerk}${url}`, {
      method,
      headers: { authorization: sent.authorization ?? '', 'content-type': sent['content-type'] ?? '' },
      body: body || undefined,
    });
    const headers = { 'content-type': answer.headers.get('content-type') ?? '' };
    return { status: answer.status, headers, body: await answer.json() };
  }
}
