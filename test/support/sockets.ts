import { connect, type Socket } from 'node:net';
import { onClose } from './closing.ts';

const PROBE_MS = 100;
const HEADERS_END = '\r\n\r\n';

/** One connection that sends what a test says, and nothing by itself. It stays open until the server closes it. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #began = performance.now();
  #received = '';
  /** How long after the connection the server had closed it. */
  readonly closedAfterMs: Promise<number>;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    // whoever attacks does not close the connection only because the server did
    this.#socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    this.#socket.on('data', (chunk) => (this.#received += String(chunk)));
    this.#socket.on('error', () => undefined);
    // the server may have closed its half alone: only a connection that is gone answers what comes with a reset
    this.#socket.once('end', () => this.drip('x', PROBE_MS));
    this.closedAfterMs = new Promise((resolve) =>
      this.#socket.once('close', () => resolve(performance.now() - this.#began)),
    );
    onClose(async () => this.close());
  }

  /** The request line and headers, and the empty line after them. */
  begin(method: string, path: string, headers: Record<string, string>): this {
    const lines = Object.entries({ host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}`);
    return this.write(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}${HEADERS_END}`);
  }

  write(text: string | Buffer): this {
    if (this.#socket.writable) this.#socket.write(text);
    return this;
  }

  /** A piece each so many milliseconds, until the connection is closed. */
  drip(piece: string, everyMs: number): this {
    const timer = setInterval(() => this.write(piece), everyMs);
    this.#socket.once('close', () => clearInterval(timer));
    return this;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Of the first answer, as far as it is there. */
  get status(): number | undefined {
    const status = /^HTTP\/1\.1 (\d{3})/.exec(this.#received)?.[1];
    return status === undefined ? undefined : Number(status);
  }

  get received(): string {
    return this.#received;
  }
}

/** Headers of the right form, with a signature that nobody made. */
export function madeUpSignature(): Record<string, string> {
  return {
    'svix-id': 'msg_made_up',
    'svix-timestamp': String(Math.floor(Date.now() / 1000)),
    'svix-signature': `v1,${Buffer.alloc(32, 1).toString('base64')}`,
  };
}
