import { createHmac } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { createSigningKey } from '../local/clerk/signing-key.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk);
});

afterEach(() => {
  jest.restoreAllMocks();
});

const now = () => Math.floor(Date.now() / 1000);
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const parts = (token: string) => token.split('.') as [string, string, string];

/** Another value of the same bytes: the unused bits of the last character are set. */
const withStrayBits = (token: string) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1) ?? '') + 1];
};

describe('a good token', () => {
  it.each<[string, () => string]>([
    ['as Clerk mints it', () => clerk.aToken()],
    ['without azp, as native apps have it', () => clerk.aToken({ azp: undefined })],
    ['without a category', () => clerk.aToken({}, { cat: undefined })],
    ['of the category that means nothing', () => clerk.aToken({}, { cat: 'cl_I7d4PD111III' })],
    ['without a type', () => clerk.aToken({}, { typ: undefined })],
    ['without nbf, sts and version', () => clerk.aToken({ nbf: undefined, sts: undefined, v: undefined })],
    ['that expired within the clock skew', () => clerk.aToken({ iat: now() - 62, exp: now() - 2 })],
    ['from ahead within the clock skew', () => clerk.aToken({ iat: now() + 3, nbf: now() + 3 })],
    ['of the longest life allowed', () => clerk.aToken({ iat: now(), exp: now() + 3600 })],
    [
      'naming keys elsewhere, which nobody fetches',
      () => clerk.aToken({}, { jku: `${clerk.origin}/evil`, x5u: `${clerk.origin}/evil` }),
    ],
  ])('%s is accepted', async (_, token) => {
    const answer = await app.as(token(), '/v1/me');
    expect([answer.status, answer.body.code]).toEqual([200, undefined]);
    expect(clerk.callsTo('/evil')).toBe(0);
  });

  it.each(['bearer', 'BEARER', 'Bearer  '])('is accepted under the scheme "%s"', async (scheme) => {
    const { status } = await app.call('/v1/me', { headers: { authorization: `${scheme} ${clerk.aToken()}` } });
    expect(status).toBe(200);
  });
});

describe('a wrong token', () => {
  const other = createSigningKey();
  const hmac = (token: string) => {
    const [, payload] = parts(token);
    const content = `${part({ alg: 'HS256', typ: 'JWT', kid: clerk.key.kid })}.${payload}`;
    return `${content}.${createHmac('sha256', clerk.key.publicKeyPem).update(content).digest('base64url')}`;
  };
  const unsigned = (token: string, signature = '') =>
    `${part({ alg: 'none', typ: 'JWT', kid: clerk.key.kid })}.${parts(token)[1]}.${signature}`;

  it.each<[string, string, () => string]>([
    // form
    ['of two parts', 'token_invalid', () => parts(clerk.aToken()).slice(0, 2).join('.')],
    ['of four parts', 'token_invalid', () => `${clerk.aToken()}.x`],
    ['of five parts, an encrypted one', 'token_invalid', () => 'a.b.c.d.e'],
    ['with an empty signature', 'token_invalid', () => `${parts(clerk.aToken()).slice(0, 2).join('.')}.`],
    ['that is no token at all', 'token_invalid', () => 'hello'],
    ['of more than 8 KB', 'token_invalid', () => clerk.aToken({ filler: 'x'.repeat(8192) })],
    ['with padding', 'token_invalid', () => `${clerk.aToken()}==`],
    ['with stray bits', 'token_invalid', () => withStrayBits(clerk.aToken())],
    [
      'in the other base64 alphabet',
      'token_invalid',
      () => clerk.aToken().replaceAll('-', '+').replaceAll('_', '/').concat('+/'),
    ],
    [
      'whose header is no JSON',
      'token_invalid',
      () => ['e30', ...parts(clerk.aToken()).slice(1)].join('.').replace('e30', 'e3'),
    ],
    ['whose header is a list', 'token_invalid', () => [part([]), ...parts(clerk.aToken()).slice(1)].join('.')],
    [
      'whose header is not UTF-8',
      'token_invalid',
      () => [Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url'), ...parts(clerk.aToken()).slice(1)].join('.'),
    ],
    // header
    ['without an algorithm', 'token_invalid', () => clerk.aToken({}, { alg: undefined })],
    ['of algorithm none', 'token_invalid', () => unsigned(clerk.aToken(), 'AAAA')],
    ['signed with the public key as a secret', 'token_invalid', () => hmac(clerk.aToken())],
    ['of algorithm RS384', 'token_invalid', () => clerk.aToken({}, { alg: 'RS384' })],
    ['of algorithm PS256', 'token_invalid', () => clerk.aToken({}, { alg: 'PS256' })],
    ['of algorithm rs256 in small letters', 'token_invalid', () => clerk.aToken({}, { alg: 'rs256' })],
    ['with crit', 'token_invalid', () => clerk.aToken({}, { crit: ['exp'] })],
    ['with an empty crit', 'token_invalid', () => clerk.aToken({}, { crit: [] })],
    ['with an unencoded payload', 'token_invalid', () => clerk.aToken({}, { b64: false, crit: ['b64'] })],
    ['without kid', 'token_invalid', () => clerk.aToken({}, { kid: undefined })],
    ['with a kid that is a number', 'token_invalid', () => clerk.aToken({}, { kid: 1 })],
    ['with an unknown kid', 'token_invalid', () => clerk.aToken({}, { kid: 'ins_unknown' })],
    ['with a kid that every object has', 'token_invalid', () => clerk.aToken({}, { kid: '__proto__' })],
    ['of another type', 'token_invalid', () => clerk.aToken({}, { typ: 'JWE' })],
    ['of a type that is no text', 'token_invalid', () => clerk.aToken({}, { typ: 7 })],
    ['of the template category', 'token_invalid', () => clerk.aToken({}, { cat: 'cl_B7d4PD222AAA' })],
    ['of the machine category', 'token_invalid', () => clerk.aToken({ sub: 'mch_1' }, { cat: 'cl_B7d4PD333AAA' })],
    ['of an unknown category', 'token_invalid', () => clerk.aToken({}, { cat: 'cl_other' })],
    ['with its own key inside', 'token_invalid', () => clerk.aToken({}, { jwk: other.jwk }, other)],
    [
      'with its own key at an address',
      'token_invalid',
      () => clerk.aToken({}, { kid: other.kid, jku: `${clerk.origin}/evil` }, other),
    ],
    // signature
    ['of another key under our kid', 'token_invalid', () => clerk.aToken({}, { kid: clerk.key.kid }, other)],
    [
      'with the signature of another token',
      'token_invalid',
      () => [...parts(clerk.aToken()).slice(0, 2), parts(clerk.aToken())[2]].join('.'),
    ],
    ['with a cut signature', 'token_invalid', () => clerk.aToken().slice(0, -4)],
    // claims
    ['without issuer', 'token_invalid', () => clerk.aToken({ iss: undefined })],
    ['of another issuer', 'token_invalid', () => clerk.aToken({ iss: 'https://clerk.example.org' })],
    ['of our issuer with a slash', 'token_invalid', () => clerk.aToken({ iss: `${clerk.origin}/` })],
    ['of a list of issuers', 'token_invalid', () => clerk.aToken({ iss: [clerk.origin] })],
    ['of another party', 'token_invalid', () => clerk.aToken({ azp: 'https://evil.example.com' })],
    [
      'of a party that begins like ours',
      'token_invalid',
      () => clerk.aToken({ azp: 'https://app.example.com.evil.org' }),
    ],
    ['of an empty party', 'token_invalid', () => clerk.aToken({ azp: '' })],
    ['of a party that is null', 'token_invalid', () => clerk.aToken({ azp: null })],
    ['without subject', 'token_invalid', () => clerk.aToken({ sub: undefined })],
    ['of a machine', 'token_invalid', () => clerk.aToken({ sub: 'mch_2abc' })],
    ['of an organization', 'token_invalid', () => clerk.aToken({ sub: 'org_2abc' })],
    ['of a subject with a stray character', 'token_invalid', () => clerk.aToken({ sub: 'user_2abc\u0000' })],
    ['of a subject that is only a prefix', 'token_invalid', () => clerk.aToken({ sub: 'user_' })],
    ['without session', 'token_invalid', () => clerk.aToken({ sid: undefined })],
    ['with an empty session', 'token_invalid', () => clerk.aToken({ sid: '' })],
    ['with a session that is a number', 'token_invalid', () => clerk.aToken({ sid: 4 })],
    ['without exp', 'token_invalid', () => clerk.aToken({ exp: undefined })],
    ['with exp as text', 'token_invalid', () => clerk.aToken({ exp: String(now() + 60) })],
    ['without iat', 'token_invalid', () => clerk.aToken({ iat: undefined })],
    ['that ends before it begins', 'token_invalid', () => clerk.aToken({ iat: now(), exp: now() - 1 })],
    ['that lives longer than allowed', 'token_invalid', () => clerk.aToken({ iat: now(), exp: now() + 3601 })],
    ['that lives for ever', 'token_invalid', () => clerk.aToken({ exp: 1e300 })],
    ['with nbf as text', 'token_invalid', () => clerk.aToken({ nbf: 'soon' })],
    ['with nbf null', 'token_invalid', () => clerk.aToken({ nbf: null })],
    ['that expired', 'token_expired', () => clerk.aToken({ iat: now() - 70, exp: now() - 10 })],
    ['from before the epoch', 'token_invalid', () => clerk.aToken({ iat: -10, exp: -5 })],
    [
      'issued ahead of the clock',
      'token_not_active',
      () => clerk.aToken({ iat: now() + 20, nbf: undefined, exp: now() + 80 }),
    ],
    ['not active yet', 'token_not_active', () => clerk.aToken({ nbf: now() + 20 })],
    ['of a pending session', 'session_pending', () => clerk.aToken({ sts: 'pending' })],
    ['of a session in an unknown state', 'token_invalid', () => clerk.aToken({ sts: 'weird' })],
  ])('%s is refused as %s', async (_, code, token) => {
    const { status, headers, body } = await app.as(token(), '/v1/me');
    expect([status, body.code]).toEqual([401, code]);
    expect(headers['www-authenticate']).toBe(`Bearer error="invalid_token", error_description="${code}"`);
    expect(clerk.callsTo('/evil')).toBe(0);
  });

  it.each<[string, () => string]>([
    ['an API key', () => 'ak_0123456789abcdef'],
    ['a machine token', () => 'mt_0123456789abcdef'],
    ['an OAuth token', () => 'oat_0123456789abcdef'],
    ['an OAuth access token as JWT', () => clerk.aToken({}, { typ: 'at+jwt' })],
    ['one by its long type', () => clerk.aToken({}, { typ: 'application/at+jwt' })],
  ])('%s is of a type that the route does not accept', async (_, token) => {
    const calls = clerk.calls.length;
    const { status, body } = await app.as(token(), '/v1/me');
    expect([status, body.code]).toEqual([403, 'token_type_not_accepted']);
    expect(clerk.calls).toHaveLength(calls);
  });

  it.each([
    [undefined, 'token_missing'],
    ['', 'token_missing'],
    ['Basic dXNlcjpwYXNz', 'token_missing'],
    ['Bearer', 'token_invalid'],
    ['Bearer a b', 'token_invalid'],
    ['eyJhbGciOiJSUzI1NiJ9.e30.AAAA', 'token_invalid'],
  ])('the header %s is refused as %s', async (authorization, code) => {
    const { status, body } = await app.call('/v1/me', {
      headers: authorization === undefined ? {} : { authorization },
    });
    expect([status, body.code]).toEqual([401, code]);
  });

  it('is refused again when it comes again, and a token that becomes active is accepted then', async () => {
    const expired = clerk.aToken({ iat: now() - 70, exp: now() - 10 });
    for (let i = 0; i < 3; i++) expect((await app.as(expired, '/v1/me')).body.code).toBe('token_expired');
    const early = clerk.aToken({ iat: now() + 60, nbf: undefined, exp: now() + 120 });
    expect((await app.as(early, '/v1/me')).body.code).toBe('token_not_active');
    const real = Date.now;
    jest.spyOn(Date, 'now').mockImplementation(() => real() + 60_000);
    expect((await app.as(early, '/v1/me')).status).toBe(200);
  });
});

describe('a remembered token', () => {
  it('is refused from its end and the clock skew on', async () => {
    const short = await startApp(clerk, { CLERK_CLOCK_SKEW_MS: '0' });
    const token = clerk.aToken({ iat: now() - 57, exp: now() + 2 });
    expect((await short.as(token, '/v1/me')).status).toBe(200);
    expect((await short.as(token, '/v1/me')).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect((await short.as(token, '/v1/me')).body.code).toBe('token_expired');
  });

  it('has claims that no handler can change for others', async () => {
    const token = clerk.aToken({ act: { sub: 'user_boss' } });
    for (let i = 0; i < 2; i++) expect((await app.as(token, '/v1/me')).body.impersonatedBy).toBe('user_boss');
  });
});

describe('any mutation of a token or a header', () => {
  it('is refused without a failure of ours', async () => {
    const token = clerk.aToken();
    const mutation = fc.oneof(
      // one character of the token replaced, inserted or left out
      fc
        .tuple(fc.nat(token.length - 1), fc.constantFrom('', ...'AZaz09-_.=+/ %~'.split('')))
        .map(([at, put]) => token.slice(0, at) + put + token.slice(at + 1)),
      // parts of two tokens mixed, repeated or lost
      fc
        .array(fc.constantFrom(...parts(token), ...parts(clerk.aToken()), '', 'e30'), { maxLength: 5 })
        .map((mixed) => mixed.join('.')),
      // any header and payload over a real signature
      fc
        .tuple(fc.jsonValue(), fc.jsonValue())
        .map(([header, payload]) => `${part(header)}.${part(payload)}.${parts(token)[2]}`),
      fc.string().map((text) => text.replaceAll(/[^\x20-\x7e]/g, '?')),
    );
    const isAccepted = new Set([token]);
    await fc.assert(
      fc.asyncProperty(
        mutation,
        fc.constantFrom('Bearer ', 'bearer  ', '', 'Basic ', 'Bearer\t'),
        async (mutated, scheme) => {
          fc.pre(!isAccepted.has(mutated.trim()));
          const { status, body } = await app.call('/v1/me', { headers: { authorization: scheme + mutated } });
          expect([401, 403]).toContain(status);
          expect(body.code).toMatch(/^token_/);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('of the claims alone, well signed, is accepted only with the claims that make it ours', async () => {
    const claims = fc.record(
      {
        iss: fc.constantFrom<unknown>(clerk.origin, 'https://evil.example.com', null, 0),
        sub: fc.constantFrom<unknown>('user_1', 'mch_1', '', null, {}),
        sid: fc.constantFrom<unknown>('sess_1', '', null),
        azp: fc.constantFrom<unknown>('https://app.example.com', 'null', null),
        exp: fc.oneof(fc.constant(now() + 60), fc.double(), fc.jsonValue()),
        iat: fc.oneof(fc.constant(now()), fc.double(), fc.jsonValue()),
        email: fc.jsonValue(),
        act: fc.jsonValue(),
        o: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(
        claims,
        fc.record({ typ: fc.jsonValue(), cat: fc.jsonValue() }, { requiredKeys: [] }),
        async (given, header) => {
          const { status, body } = await app.as(clerk.aToken(given, header), '/v1/me');
          expect([200, 401, 403]).toContain(status);
          if (status === 200) expect((body.user as { clerkId: string }).clerkId).toMatch(/^user_\w+$/);
        },
      ),
      { numRuns: 300 },
    );
  });
});
