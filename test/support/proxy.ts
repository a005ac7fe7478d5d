import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onClose } from './closing.ts';

/** A network between a process and its PostgreSQL that can hold answers back. */
export class DatabaseProxy {
  readonly url: string;
  #marker: string | undefined;
  #held: (() => void)[] = [];

  private constructor(url: string) {
    this.url = url;
  }

  static async start(databaseUrl: string): Promise<DatabaseProxy> {
    const target = new URL(databaseUrl);
    const server = createServer((client) => proxy.#join(client, connect(Number(target.port), target.hostname)));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const url = new URL(databaseUrl);
    url.port = String((server.address() as AddressInfo).port);
    const proxy = new DatabaseProxy(url.href);
    onClose(async () => server.close());
    return proxy;
  }

  /** Answers that contain this text wait for `release`. */
  holdAnswersWith(marker: string): void {
    this.#marker = marker;
  }

  get holds(): boolean {
    return this.#held.length > 0;
  }

  release(): void {
    this.#marker = undefined;
    for (const send of this.#held.splice(0)) send();
  }

  #join(client: Socket, server: Socket): void {
    client.pipe(server);
    server.on('data', (chunk) => {
      if (this.#marker && chunk.includes(this.#marker)) this.#held.push(() => client.write(chunk));
      else client.write(chunk);
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const)
      one.on('error', () => other.destroy()).on('close', () => other.destroy());
  }
}
