import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onClose } from '../support/closing.ts';
import { type Bench, startServer } from './kit.ts';

/** What stands for the values of one event in the statements. */
export const SAMPLE = { id: 'msg_benchsample', person: 'user_bench100', time: 1_800_000_000_123 };

/** The statements of one user.updated, from begin to commit, as a server sends them: read off its connection. */
export async function statementsOfAnEvent({ clerk, postgres, env }: Bench): Promise<string[]> {
  const queries: string[] = [];
  const url = await listen(postgres.url, (socket) => new QueryReader(socket, (sql) => queries.push(sql)));
  const server = await startServer('app guard', { ...env, DATABASE_URL: url });
  const user = { ...clerk.aUser({ id: SAMPLE.person }), updated_at: SAMPLE.time };
  const { status } = await clerk.deliver(server, clerk.anEvent('user.updated', user), { id: SAMPLE.id });
  if (status !== 204) throw new Error(`The sample event was answered with ${status}`);
  const marked = queries.findIndex((sql) => sql.includes(SAMPLE.id));
  const [first, last] = [queries.slice(0, marked).lastIndexOf('begin'), queries.indexOf('commit', marked)];
  if (first < 0 || last < 0) throw new Error('There is no transaction around the sample event');
  return queries.slice(first, last + 1);
}

async function listen(databaseUrl: string, onClient: (socket: Socket) => void): Promise<string> {
  const target = new URL(databaseUrl);
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream])
      socket.on('error', () => client.destroy(upstream.destroy().errored ?? undefined));
    onClient(client);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onClose(async () => server.close());
  return Object.assign(new URL(databaseUrl), { port: String((server.address() as AddressInfo).port) }).href;
}

/** Reads simple queries out of what a client sends (PostgreSQL, frontend/backend protocol, message formats). */
class QueryReader {
  #bytes = Buffer.alloc(0);
  #hasStarted = false;

  constructor(socket: Socket, onQuery: (sql: string) => void) {
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      for (let message = this.#next(); message; message = this.#next())
        if (message.type === 'Q') onQuery(message.body.toString('utf8', 0, message.body.length - 1));
    });
  }

  /** The first message has no type. */
  #next(): { type: string; body: Buffer } | undefined {
    const offset = this.#hasStarted ? 1 : 0;
    if (this.#bytes.length < offset + 4) return undefined;
    const end = offset + this.#bytes.readUInt32BE(offset);
    if (this.#bytes.length < end) return undefined;
    const type = this.#bytes.toString('latin1', 0, offset);
    const body = this.#bytes.subarray(offset + 4, end);
    this.#bytes = this.#bytes.subarray(end);
    this.#hasStarted = true;
    return { type, body };
  }
}
