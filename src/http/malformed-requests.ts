import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { PROBLEMS } from './problem.ts';

const STATUS_LINES: Record<string, [number, string]> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
};

/** Left to the client to read the answer. */
const LINGER_MS = 1000;

/** Answers what is not HTTP, which Node refuses before there is a request, with a problem document as well. */
export function answerMalformed(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const [status, reason] = STATUS_LINES[error.code ?? ''] ?? [400, 'Bad Request'];
    const [, , detail] = PROBLEMS.invalid_input;
    const code = 'invalid_input';
    const problem = {
      type: `/problems/${code}`,
      title: reason,
      status,
      detail,
      instance: '/',
      code,
      requestId: randomUUID(),
    };
    const body = JSON.stringify(problem);
    socket.end(
      `HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    // the other end may never close its half, and would keep the connection with all that it sent
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  });
}
