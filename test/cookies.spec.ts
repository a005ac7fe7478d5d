import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

let clerk: TestClerk;
let app: TestApp;
let suffixed: string;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk);
  const key = clerk.env.CLERK_PUBLISHABLE_KEY ?? '';
  suffixed = `__session_${createHash('sha1').update(key).digest('base64url').slice(0, 8)}`;
});

const withCookie = (cookie: string, headers: Record<string, string> = {}) =>
  app.call('/v1/me', { headers: { cookie, ...headers } });

describe('the session cookie', () => {
  it('signs in a caller of the same origin', async () => {
    expect((await withCookie(`a=b; __session=${clerk.aToken()}; c=d`)).status).toBe(200);
  });

  it.each<[string, () => Record<string, string>]>([
    ['the browser says same-origin', () => ({ 'sec-fetch-site': 'same-origin' })],
    ['a person typed the address', () => ({ 'sec-fetch-site': 'none' })],
    ['the origin is our own', () => ({ origin: app.url })],
    [
      'the origin is a listed party behind a proxy',
      () => ({ origin: 'https://app.example.com', 'sec-fetch-site': 'same-origin' }),
    ],
  ])('is read when %s', async (_, headers) => {
    expect((await withCookie(`__session=${clerk.aToken()}`, headers())).status).toBe(200);
  });

  it.each([
    ['the browser says cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['the browser says same-site, another subdomain', { 'sec-fetch-site': 'same-site' }],
    [
      'the browser says cross-site for a listed party',
      { 'sec-fetch-site': 'cross-site', origin: 'https://app.example.com' },
    ],
    ['the origin is foreign', { origin: 'https://evil.example.com' }],
    ['the origin is opaque', { origin: 'null' }],
  ])('is refused when %s', async (_, headers) => {
    const { status, body } = await withCookie(`__session=${clerk.aToken()}`, headers);
    expect([status, body.code]).toEqual([401, 'token_invalid']);
  });

  it('is refused without azp, which a header may lack', async () => {
    const token = clerk.aToken({ azp: undefined });
    expect((await app.as(token, '/v1/me')).status).toBe(200);
    expect((await withCookie(`__session=${token}`)).body.code).toBe('token_invalid');
  });

  it('with the suffix of another key is not ours', async () => {
    expect((await withCookie(`__session_AAAAAAAA=${clerk.aToken()}`)).body.code).toBe('token_missing');
  });

  it('is refused when it is there twice with two values, and read when they are the same', async () => {
    const token = clerk.aToken();
    expect((await withCookie(`__session=${token}; __session=${clerk.aToken()}`)).body.code).toBe('token_invalid');
    expect((await withCookie(`__session=${token}; __session=${token}`)).status).toBe(200);
  });

  it('is not read when CLERK_COOKIE_AUTH is off', async () => {
    const off = await startApp(clerk, { CLERK_COOKIE_AUTH: 'off' });
    const { body } = await off.call('/v1/me', { headers: { cookie: `__session=${clerk.aToken()}` } });
    expect(body.code).toBe('token_missing');
  });
});

describe('of the plain cookie and the one with our suffix', () => {
  const now = Math.floor(Date.now() / 1000);
  const plainAndSuffixed = async (plain: string, ours: string) => {
    const cookies = [`__session=${plain}`, `${suffixed}=${ours}`];
    const answers = await Promise.all([cookies, cookies.toReversed()].map((each) => withCookie(each.join('; '))));
    const [first, second] = answers.map(({ status, body }) => [
      status,
      body.code ?? (body.user as { clerkId: string }).clerkId,
    ]);
    expect(second).toEqual(first);
    return first;
  };
  const expired = (claims = {}) => clerk.aToken({ iat: now - 130, exp: now - 70, ...claims });

  it.each<[string, number, number, 'plain' | 'suffixed']>([
    ['the plain one, issued later', now - 10, now - 20, 'plain'],
    ['the suffixed one, issued later', now - 20, now - 10, 'suffixed'],
    ['the suffixed one, issued in the same second', now - 10, now - 10, 'suffixed'],
  ])('the later counts: %s', async (_, iatOfPlain, iatOfSuffixed, expected) => {
    const users = { plain: clerk.aUser().id, suffixed: clerk.aUser().id };
    const plain = clerk.aToken({ sub: users.plain, iat: iatOfPlain });
    const ours = clerk.aToken({ sub: users.suffixed, iat: iatOfSuffixed });
    expect(await plainAndSuffixed(plain, ours)).toEqual([200, users[expected]]);
  });

  it('the fresh one counts when the other has expired', async () => {
    const { id: sub } = clerk.aUser();
    expect(await plainAndSuffixed(clerk.aToken({ sub }), expired())).toEqual([200, sub]);
    expect(await plainAndSuffixed(expired(), clerk.aToken({ sub }))).toEqual([200, sub]);
    expect(await plainAndSuffixed(expired(), expired({ iat: now - 140 }))).toEqual([401, 'token_expired']);
  });

  it.each<[string, () => string]>([
    ['is garbage', () => 'rubbish'],
    ['is empty', () => ''],
    ['has a payload that is no JSON', () => 'e30.e3.AAAA'],
    ['has an iat that is no number', () => clerk.aToken({ iat: { valueOf: 1 } })],
    ['is larger than a token may be', () => clerk.aToken({ iat: now + 1, filler: 'x'.repeat(8192) })],
    ['is of another issuer and later', () => clerk.aToken({ iss: 'https://other.example.com', iat: now + 1 })],
    ['is forged and later', () => clerk.aToken({ iat: now + 1 }).replace(/[^.]+$/, 'AAAA')],
    ['has no azp and is later', () => clerk.aToken({ azp: undefined, iat: now + 1 })],
    ['is a token of a machine', () => clerk.anM2MJwt({ iat: now + 1 })],
    ['is an API key', () => clerk.anApiKey().secret],
  ])('the good one counts when the other %s', async (_, other) => {
    const { id: sub } = clerk.aUser();
    expect(await plainAndSuffixed(clerk.aToken({ sub, iat: now - 1 }), other())).toEqual([200, sub]);
    expect(await plainAndSuffixed(other(), clerk.aToken({ sub, iat: now - 1 }))).toEqual([200, sub]);
  });

  it('neither counts when both are bad', async () => {
    expect(await plainAndSuffixed('rubbish', 'e30.e30.AAAA')).toEqual([401, 'token_invalid']);
  });

  it('a later one of a session that is pending is not passed over', async () => {
    const pending = clerk.aToken({ iat: now, sts: 'pending' });
    expect(await plainAndSuffixed(clerk.aToken({ iat: now - 1 }), pending)).toEqual([401, 'session_pending']);
  });
});

describe('several cookies of one name', () => {
  it('are refused when two of them are good, whose ever they are', async () => {
    const [one, two] = [clerk.aToken(), clerk.aToken()];
    for (const name of ['__session', suffixed])
      expect((await withCookie(`${name}=${one}; ${name}=${two}`)).body.code).toBe('token_invalid');
  });

  it('are read when one is good, in whichever order', async () => {
    const good = clerk.aToken();
    for (const bad of ['rubbish', clerk.aToken({ iss: 'https://other.example.com' }), ''])
      for (const pair of [
        [good, bad],
        [bad, good],
      ])
        expect((await withCookie(pair.map((value) => `__session=${value}`).join('; '))).status).toBe(200);
  });

  it('are looked into up to a number, and however many there are the answer is 200 or 401', async () => {
    const forged = Array.from({ length: 60 }, (_, i) => `__session=e30.e30.${String(i).padStart(4, 'A')}`);
    const { status, body } = await withCookie([...forged, `__session=${clerk.aToken()}`].join('; '));
    expect([status, body.code]).toEqual([401, 'token_invalid']);
  });
});

describe('beside an Authorization header', () => {
  it.each([
    'Basic dTpw',
    'basic dTpw',
    'Digest username="Mufasa", realm="a, b", nonce="x", uri="/", response="00"',
    'Negotiate YII=',
    'Negotiate',
    'NTLM',
    'AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=00',
    'Basic a b c',
    '',
    ' ',
  ])('that is not ours the cookie is read: "%s"', async (authorization) => {
    const headers = { authorization, 'sec-fetch-site': 'same-origin' };
    expect((await withCookie(`__session=${clerk.aToken()}`, headers)).status).toBe(200);
    const { status, body } = await app.call('/v1/me', { headers: { authorization } });
    expect([status, body.code]).toEqual([401, 'token_missing']);
  });

  it('that is not ours a bad cookie is refused, and one of a foreign page', async () => {
    const authorization = 'Basic dTpw';
    expect((await withCookie('__session=rubbish', { authorization })).body.code).toBe('token_invalid');
    const { body } = await withCookie(`__session=${clerk.aToken()}`, { authorization, 'sec-fetch-site': 'cross-site' });
    expect(body.code).toBe('token_invalid');
  });

  it.each(['Bearer', 'bearer', 'BeArEr'])('with a token as %s the token counts, good or bad', async (scheme) => {
    const [{ id: inHeader }, { id: inCookie }] = [clerk.aUser(), clerk.aUser()];
    const cookie = `__session=${clerk.aToken({ sub: inCookie })}`;
    const good = await withCookie(cookie, { authorization: `${scheme} ${clerk.aToken({ sub: inHeader })}` });
    expect((good.body.user as { clerkId: string }).clerkId).toBe(inHeader);
    for (const bad of ['rubbish', 'a b', '', clerk.aToken({ azp: 'https://evil.example.com' })]) {
      const { status, body } = await withCookie(cookie, { authorization: `${scheme} ${bad}` });
      expect([status, body.code]).toEqual([401, 'token_invalid']);
    }
  });

  it('with a token but no scheme it is refused', async () => {
    const { body } = await withCookie(`__session=${clerk.aToken()}`, { authorization: clerk.aToken() });
    expect(body.code).toBe('token_invalid');
  });

  it.each<[string, (bearer: string) => string | string[]]>([
    ['before it in another line', (bearer) => ['Basic dTpw', bearer]],
    ['after it in another line', (bearer) => [bearer, 'Basic dTpw']],
    ['before it in the same line', (bearer) => `Basic dTpw, ${bearer}`],
  ])('with a token and another scheme %s the token counts, good or bad', async (_, headerOf) => {
    const [{ id: sub }, cookie] = [clerk.aUser(), `__session=${clerk.aToken()}`];
    const call = (token: string) =>
      app.call('/v1/me', { headers: { cookie, authorization: headerOf(`Bearer ${token}`) } });
    const good = await call(clerk.aToken({ sub }));
    expect([good.status, (good.body.user as { clerkId: string }).clerkId]).toEqual([200, sub]);
    expect((await call('rubbish')).body.code).toBe('token_invalid');
  });
});
