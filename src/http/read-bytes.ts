import { finished } from 'node:stream/promises';
import type { Request } from 'express';
import { Problem } from './problem.ts';

/**
 * The body as the bytes that were sent. Throws `payload_too_large` beyond the limit, and `unavailable` once the signal is
 * aborted; what still comes is then left to the network, and the connection is closed when it has been idle for a while.
 */
export async function readBytes(request: Request, maxBytes: number, lapse?: AbortSignal): Promise<Buffer> {
  const { 'content-encoding': encoding = 'identity', 'content-length': length = '0' } = request.headers;
  if (encoding.toLowerCase() !== 'identity') throw new Problem('unsupported_media_type');
  if (Number(length) > maxBytes) throw new Problem('payload_too_large');
  const tooLarge = new AbortController();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const add = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) tooLarge.abort();
    else chunks.push(chunk);
  };
  request.on('data', add);
  try {
    const signal = lapse ? AbortSignal.any([lapse, tooLarge.signal]) : tooLarge.signal;
    await finished(request, { writable: false, cleanup: true, signal });
    return Buffer.concat(chunks, bytes);
  } catch (cause) {
    if (tooLarge.signal.aborted) throw new Problem('payload_too_large');
    // no cause: a stranger must not fill the log with warnings
    if (lapse?.aborted) throw new Problem('unavailable');
    throw new Problem('invalid_input', { detail: 'The body ended early.', cause });
  } finally {
    request.off('data', add);
    // what is dropped costs memory as well, until it is collected
    if (lapse?.aborted) request.pause();
    else request.resume();
  }
}
