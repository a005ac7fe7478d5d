import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';

/**
 * Sends prepared requests over kept connections and answers how long each took, in ms: as fast as they are answered, or
 * `perSecond`, counted from when each was due. Little work for each, since it shares the machine with what it measures.
 */
export async function send(
  url: string,
  requests: Buffer[],
  { connections, perSecond }: { connections: number; perSecond?: number },
): Promise<number[]> {
  const { hostname, port } = new URL(url);
  const sockets = Array.from({ length: connections }, () => connect(Number(port), hostname).setNoDelay());
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const began = performance.now();
  const taken: number[] = [];
  let next = 0;
  const work = async (socket: Socket) => {
    for (let request = next++; request < requests.length; request = next++) {
      const due = perSecond ? began + (request * 1000) / perSecond : performance.now();
      if (due > performance.now()) await setTimeout(due - performance.now());
      await exchange(socket, requests[request] as Buffer);
      taken.push(performance.now() - due);
    }
    socket.destroy();
  };
  await Promise.all(sockets.map(work));
  return taken;
}

/** A 204 has no body: its head is all there is (RFC 9110, section 15.3.5). */
async function exchange(socket: Socket, request: Buffer): Promise<void> {
  socket.write(request);
  let head = '';
  while (!head.endsWith('\r\n\r\n')) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    head += chunk.toString('latin1');
  }
  if (!head.startsWith('HTTP/1.1 204 ')) throw new Error(`An event was answered with ${head.slice(0, 500)}`);
}
