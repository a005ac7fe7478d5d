import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onClose } from './closing.ts';

/** A network between a process and its PostgreSQL that can hold answers back, say nothing, or be gone. */
export class DatabaseProxy {
  readonly url: string;
  readonly #sockets = new Set<Socket>();
  readonly #mute = new WeakSet<Socket>();
  #marker: string | undefined;
  #held: (() => void)[] = [];
  #isSilent = false;
  #isCut = false;

  private constructor(url: string) {
    this.url = url;
  }

  static async start(databaseUrl: string): Promise<DatabaseProxy> {
    const target = new URL(databaseUrl);
    const server = createServer((client) => proxy.#accept(client, Number(target.port), target.hostname));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const url = new URL(databaseUrl);
    url.port = String((server.address() as AddressInfo).port);
    const proxy = new DatabaseProxy(url.href);
    onClose(async () => {
      server.close();
      for (const socket of proxy.#sockets) socket.destroy();
    });
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

  /** From now on nothing passes, and nobody is told: connections stay as they are. */
  silence(): void {
    this.#isSilent = true;
  }

  /** As after a failure of the network: what is open stays silent, what is new passes. */
  speak(): void {
    for (const socket of this.#sockets) this.#mute.add(socket);
    this.#isSilent = false;
  }

  /** Every connection ends, and none is let in until `mend`. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  #accept(client: Socket, port: number, host: string): void {
    if (this.#isCut) client.destroy();
    else this.#join(client, connect(port, host));
  }

  #join(client: Socket, server: Socket): void {
    const isSilent = () => this.#isSilent || this.#mute.has(client);
    client.on('data', (chunk) => isSilent() || server.write(chunk));
    server.on('data', (chunk) => {
      if (this.#marker && chunk.includes(this.#marker)) this.#held.push(() => client.write(chunk));
      else if (!isSilent()) client.write(chunk);
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one
        .on('error', () => other.destroy())
        .on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
    }
  }
}
