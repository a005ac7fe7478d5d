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

  it('with our suffix goes before the plain one', async () => {
    expect((await withCookie(`__session=rubbish; ${suffixed}=${clerk.aToken()}`)).status).toBe(200);
    expect((await withCookie(`__session=${clerk.aToken()}; ${suffixed}=rubbish`)).body.code).toBe('token_invalid');
  });

  it('with the suffix of another key is not ours', async () => {
    expect((await withCookie(`__session_AAAAAAAA=${clerk.aToken()}`)).body.code).toBe('token_missing');
  });

  it('is refused when it is there twice with two values, and read when they are the same', async () => {
    const token = clerk.aToken();
    expect((await withCookie(`__session=${token}; __session=${clerk.aToken()}`)).body.code).toBe('token_invalid');
    expect((await withCookie(`__session=${token}; __session=${token}`)).status).toBe(200);
  });

  it.each(['Bearer rubbish', 'Basic dXNlcjpwYXNz', ''])(
    'is not read beside the Authorization header "%s"',
    async (authorization) => {
      expect((await withCookie(`__session=${clerk.aToken()}`, { authorization })).status).toBe(401);
    },
  );

  it('is not read when CLERK_COOKIE_AUTH is off', async () => {
    const off = await startApp(clerk, { CLERK_COOKIE_AUTH: 'off' });
    const { body } = await off.call('/v1/me', { headers: { cookie: `__session=${clerk.aToken()}` } });
    expect(body.code).toBe('token_missing');
  });
});
