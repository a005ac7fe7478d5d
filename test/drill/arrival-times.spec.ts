import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { environmentOf } from '../support/app.ts';
import { TestClerk } from '../support/clerk.ts';
import { createDatabase } from '../support/database.ts';
import { ServerProcess } from '../support/server.ts';
import { madeUpSignature, RawConnection } from '../support/sockets.ts';

const HEADERS_MS = 25_000;
const BODY_MS = 45_000;
const EVENT_MS = 15_000;
const MAX_GROWTH_MB = 100;
const ATTACKERS = 200;
const BYTES = 900_000;

let clerk: TestClerk;
let server: ServerProcess;

beforeAll(async () => {
  clerk = await TestClerk.start();
  server = await ServerProcess.start(environmentOf(clerk, await createDatabase()));
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const rssMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;
const JSON_TYPE = { 'content-type': 'application/json' };
const LENGTH = { 'content-length': '1000' };
const CHUNKED = { 'transfer-encoding': 'chunked' };
const connection = () => new RawConnection(server.url);

describe('a request that does not end', () => {
  it.each<[string, () => RawConnection]>([
    ['silent from the beginning', () => connection()],
    ['silent headers', () => connection().write('GET /v1/me HTTP/1.1\r\nhost: localhost\r\n')],
    ['dripped headers', () => connection().write('GET /v1/me HTTP/1.1\r\nhost: localhost\r\nx-a: ').drip('a', 500)],
    ['dripped request line', () => connection().write('GET /').drip('a', 500)],
  ])('is closed in time: %s', async (what, begun) => {
    const closedAfterMs = await begun().closedAfterMs;
    console.log(`${what}: closed after ${Math.round(closedAfterMs)} ms`);
    expect(closedAfterMs).toBeLessThan(HEADERS_MS);
  });

  it('is closed in time on every route, whatever its body does', async () => {
    const routes = [
      ['POST', '/webhooks/clerk', madeUpSignature()],
      ['POST', '/webhooks/clerk', {}],
      ['PATCH', '/v1/me', { ...JSON_TYPE, authorization: `Bearer ${clerk.aToken()}` }],
      ['PATCH', '/v1/me', JSON_TYPE],
      ['GET', '/healthz', JSON_TYPE],
      ['POST', '/nowhere', JSON_TYPE],
    ] as const;
    const opened = routes.flatMap(([method, path, headers]) => [
      connection().begin(method, path, { ...headers, ...LENGTH }),
      connection()
        .begin(method, path, { ...headers, ...LENGTH })
        .drip('x', 500),
      connection().begin(method, path, { ...headers, ...CHUNKED }),
      connection()
        .begin(method, path, { ...headers, ...CHUNKED })
        .drip('1\r\nx\r\n', 500),
    ]);
    const times = await Promise.all(opened.map(({ closedAfterMs }) => closedAfterMs));
    console.log(`bodies: closed after ${times.map(Math.round).join(', ')} ms`);
    expect(Math.max(...times)).toBeLessThan(BODY_MS);
  });
});

describe('bodies that nobody signed for', () => {
  it('cost little memory, and keep no signed event out', async () => {
    // as a server in service is: a cold one grows by itself
    for (let i = 0; i < 500; i++) await clerk.deliver(server.url, clerk.anEvent('user.updated', clerk.aUser()));
    const before = rssMb();
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, rssMb())), 50);
    const opened = Array.from({ length: ATTACKERS }, () =>
      connection()
        .begin('POST', '/webhooks/clerk', { ...madeUpSignature(), 'content-length': String(BYTES) })
        .write(Buffer.alloc(BYTES - 1, 120)),
    );
    await pause(500);
    const began = performance.now();
    const { status } = await clerk.deliver(server.url, clerk.anEvent('user.updated', clerk.aUser()));
    const tookMs = performance.now() - began;
    const times = await Promise.all(opened.map(({ closedAfterMs }) => closedAfterMs));
    clearInterval(watch);
    console.log(
      `${ATTACKERS} bodies: RSS ${Math.round(before)} to at most ${Math.round(most)} MB; a signed event ${status} after ${Math.round(tookMs)} ms; all closed after ${Math.round(Math.max(...times))} ms`,
    );
    expect(status).toBe(204);
    expect(tookMs).toBeLessThan(EVENT_MS);
    expect(most - before).toBeLessThan(MAX_GROWTH_MB);
    expect(Math.max(...times)).toBeLessThan(BODY_MS);
  });
});
