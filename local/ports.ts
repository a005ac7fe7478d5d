import { createServer } from 'node:net';

/** The wanted port when it is free on the loopback, else one that is. */
export async function freePort(wanted = 0): Promise<number> {
  try {
    return await probe(wanted);
  } catch {
    return probe(0);
  }
}

/** Whether nobody listens on that port of the loopback; what is no port is for others to refuse. */
export async function isFree(port: number): Promise<boolean> {
  return probe(port).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'EADDRINUSE',
  );
}

async function probe(port: number): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : port;
}
