import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { anAddress, startWithMachines } from './support/machines.ts';

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startWithMachines(clerk);
});

const ROUTES = [
  '/v1/me',
  '/machines',
  '/machines/keys',
  '/machines/m2m',
  '/machines/oauth',
  '/machines/any',
  '/machines/scoped',
];
const PLACES = ['bearer', 'cookie'] as const;

/** JSON as it is written, since a list of 3000 levels is more than JSON.stringify takes kindly. */
const nested = (open: string, close: string, levels: number) => `${open.repeat(levels)}1${close.repeat(levels)}`;

/** Every JSON type, and objects that break the code which turns them into text, lists or numbers. */
const VALUES = [
  'null',
  'true',
  'false',
  '0',
  '-1',
  '1e308',
  '1e999',
  '""',
  '"x"',
  '"mch_1"',
  '"user_1"',
  '"\\u0000"',
  '"\\ud800"',
  '[]',
  '[null]',
  '["mch_1"]',
  '[[1],[2]]',
  '{}',
  '{"toString":1,"valueOf":1}',
  '{"toString":null}',
  '{"startsWith":1,"toLowerCase":1,"includes":1,"split":1}',
  '{"length":1e9}',
  '{"__proto__":{"sub":"mch_1"}}',
  '{"constructor":{"prototype":1}}',
  nested('[', ']', 1500),
  nested('{"a":', '}', 700),
];

const HEADER_FIELDS = ['alg', 'typ', 'kid', 'cat', 'crit'];
const CLAIMS =
  'iss sub sid azp exp iat nbf jti aud sts act v fva fea pla o org_id org_slug org_role org_permissions scope scopes scp client_id email name __proto__ toString toJSON then constructor'.split(
    ' ',
  );

/** One field of a good token replaced, as JSON text. */
const FORMS: Record<string, () => string> = {
  'a session token': () => clerk.aToken(),
  'an M2M token': () => clerk.anM2MJwt(),
  'an OAuth token': () => clerk.anOAuthJwt(),
};

const textOf = (part: string) => Buffer.from(part, 'base64url').toString();
const partOf = (text: string) => Buffer.from(text).toString('base64url');

/** The token with that field laid over, unsigned: its signature is of the token as it was. */
function withField(token: string, part: 'header' | 'payload', field: string, value: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const changed = (text: string) => {
    const { [field]: _, ...others } = JSON.parse(text) as Record<string, unknown>;
    return partOf(`{"${field}":${value},${JSON.stringify(others).slice(1)}`);
  };
  return part === 'header'
    ? [changed(textOf(header)), payload, signature].join('.')
    : [header, changed(textOf(payload)), signature].join('.');
}

async function statusOf(token: string, path: string, place: (typeof PLACES)[number]): Promise<number> {
  const credentials: Record<string, string> =
    place === 'bearer' ? { authorization: `Bearer ${token}` } : { cookie: `__session=${token}` };
  const { status, body } = await app.call(path, { headers: { ...credentials, 'x-forwarded-for': anAddress() } });
  if (status >= 500) throw new Error(`${path} answers ${status} ${String(body.code)} to a ${place} of ${token}`);
  return status;
}

describe('a token that nobody signed', () => {
  it.each(Object.entries(FORMS))(
    'is refused, whatever type a field of its header or payload has: %s',
    async (_, aToken) => {
      const token = aToken();
      for (const [part, fields] of [
        ['header', HEADER_FIELDS],
        ['payload', ['sub', 'aud']],
      ] as const)
        for (const field of fields)
          for (const value of VALUES)
            await Promise.all(
              ROUTES.flatMap((path) =>
                PLACES.map(async (place) => {
                  expect([401, 403]).toContain(await statusOf(withField(token, part, field, value), path, place));
                }),
              ),
            );
    },
  );

  it.each([
    ['null', 'null'],
    ['a list', '[]'],
    ['a number', '1'],
    ['a text', '"x"'],
    ['true', 'true'],
    ['2500 nested lists', nested('[', ']', 2500)],
  ])('is refused with %s as its payload', async (payload) => {
    for (const aToken of Object.values(FORMS))
      for (const path of ROUTES)
        for (const place of PLACES) {
          const [header = ''] = aToken().split('.');
          expect([401, 403]).toContain(await statusOf(`${header}.${partOf(payload)}.AA`, path, place));
          expect([401, 403]).toContain(await statusOf(`x.${partOf(payload)}.AA`, path, place));
          expect([401, 403]).toContain(await statusOf(`${partOf(payload)}.${partOf(payload)}.AA`, path, place));
        }
  });
});

describe('a token that Clerk signed', () => {
  const value = fc.oneof(
    fc.constantFrom(...VALUES),
    fc.jsonValue().map((json) => JSON.stringify(json)),
  );
  const claims = fc.dictionary(fc.constantFrom(...CLAIMS), value, { minKeys: 1, maxKeys: 3 });
  const header = fc.dictionary(fc.constantFrom(...HEADER_FIELDS), value, { maxKeys: 2 });
  const parsed = (texts: Record<string, string>) =>
    Object.fromEntries(Object.entries(texts).map(([field, text]) => [field, JSON.parse(text) as unknown]));

  it('never makes an error of ours, whatever its fields are', async () => {
    await fc.assert(
      fc.asyncProperty(
        claims,
        header,
        fc.constantFrom('aToken', 'anM2MJwt', 'anOAuthJwt'),
        fc.constantFrom(...ROUTES),
        fc.constantFrom(...PLACES),
        async (givenClaims, givenHeader, form, path, place) => {
          const token = clerk[form as 'aToken'](parsed(givenClaims), parsed(givenHeader));
          expect([200, 401, 403]).toContain(await statusOf(token, path, place));
        },
      ),
      { numRuns: 800 },
    );
  });
});
