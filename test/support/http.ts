import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { json, text } from 'node:stream/consumers';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
}

export interface Call {
  method?: string;
  headers?: Record<string, string | string[]>;
  /** An object is sent as JSON, a string or a buffer as it is. */
  body?: object | string | Buffer;
}

/** One request with these very headers; an answer that is not JSON has its text as `text`. */
export async function call(url: string, { method = 'GET', headers = {}, body }: Call = {}): Promise<Answer> {
  const isRaw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
  const sent = request(url, { method, headers: isRaw ? headers : { 'content-type': 'application/json', ...headers } });
  sent.end(isRaw ? body : JSON.stringify(body));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const isJson = /json/.test(response.headers['content-type'] ?? '');
  const content = isJson ? ((await json(response)) as Answer['body']) : { text: await text(response) };
  return { status: response.statusCode ?? 0, headers: response.headers, body: content };
}
