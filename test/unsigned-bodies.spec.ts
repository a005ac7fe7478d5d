import { beforeAll, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { madeUpSignature, RawConnection } from './support/sockets.ts';
import { until } from './support/until.ts';

/** How many unfinished bodies of this size a process reads at once: 8 MB. */
const PLACES = 9;
const BYTES = 900_000;
const MAX_FLOOD = 400;

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk, { TRUST_PROXY: '1' });
});

const anUpdate = () => clerk.anEvent('user.updated', clerk.aUser());
const events = async () => Number((await app.database.query<{ n: string }>('select count(*) as n from inbox'))[0]?.n);

/** A delivery with a made-up signature that lacks its last byte. */
function unfinished(address: string, body = Buffer.alloc(BYTES - 1, 120)): RawConnection {
  const headers = { ...madeUpSignature(), 'content-length': String(BYTES), 'x-forwarded-for': address };
  return new RawConnection(app.url).begin('POST', '/webhooks/clerk', headers).write(body);
}

const refused = (connections: RawConnection[]) => connections.filter(({ status }) => status === 503);

describe('bodies that nobody signed for', () => {
  it.each<[string, (i: number) => string]>([
    ['one address', () => '192.0.2.1'],
    ['many addresses', (i) => `198.51.100.${i}`],
  ])('from %s have few places: the others get 503 and a time to repeat at', async (_from, addressOf) => {
    const connections = Array.from({ length: PLACES + 8 }, (_, i) => unfinished(addressOf(i)));
    await until(
      async () => refused(connections).length,
      (count) => count >= 8,
    );
    expect(refused(connections)).toHaveLength(8);
    for (const { received } of refused(connections)) expect(received).toMatch(/\r\nretry-after: 5\r\n/i);
    for (const connection of connections) connection.close();
  });

  it('keep no signed event out, while others take the places again and again', async () => {
    const before = await events();
    const connections = Array.from({ length: PLACES }, (_, i) => unfinished(`203.0.113.${i}`, Buffer.alloc(10)));
    const flood = setInterval(() => {
      if (connections.length < MAX_FLOOD)
        connections.push(unfinished(`203.0.113.${connections.length % 250}`, Buffer.alloc(10)));
    }, 2);
    const answers = await Promise.all(Array.from({ length: 10 }, () => clerk.deliver(app.url, anUpdate())));
    clearInterval(flood);
    expect(refused(connections).length).toBeGreaterThan(0);
    for (const connection of connections) connection.close();
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 204));
    expect(await events()).toBe(before + 10);
  });

  it('of one network take no place from a body that another network sends slowly', async () => {
    const text = JSON.stringify(anUpdate());
    const headers = clerk.signedHeaders(text);
    const slow = new RawConnection(app.url)
      .begin('POST', '/webhooks/clerk', {
        ...headers,
        'content-length': String(text.length),
        'x-forwarded-for': '192.0.2.9',
      })
      .write(text.slice(0, 10));
    await until(async () => (await app.call('/healthz')).status === 200);
    const connections = Array.from({ length: PLACES * 3 }, (_, i) =>
      unfinished(`2001:db8:0:1::${i.toString(16)}`, Buffer.alloc(10)),
    );
    await until(
      async () => refused(connections).length,
      (count) => count > PLACES,
    );
    slow.write(text.slice(10));
    expect(await until(async () => slow.status)).toBe(204);
    for (const connection of connections) connection.close();
  });

  it('free their place when the connection is closed', async () => {
    for (const connection of Array.from({ length: PLACES }, () => unfinished('192.0.2.2'))) connection.close();
    const later = Array.from({ length: PLACES }, () => unfinished('192.0.2.2', Buffer.alloc(10)));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(refused(later).length).toBeLessThan(PLACES);
    for (const connection of later) connection.close();
  });
});
