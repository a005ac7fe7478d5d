import { beforeAll, describe, expect, it } from '@jest/globals';
import { createSigningKey } from '../local/clerk/signing-key.ts';
import { environmentOf } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import type { Call } from './support/http.ts';
import { ServerProcess } from './support/server.ts';
import { aMember } from './support/tenants.ts';

let clerk: TestClerk;
let database: TestDatabase;
let server: ServerProcess;

interface Line {
  level: number;
  msg: string;
  req?: { id: string };
  [fact: string]: unknown;
}

const INFO = 30;
const WARN = 40;

beforeAll(async () => {
  clerk = await TestClerk.start();
  database = await createDatabase();
  server = await ServerProcess.start({ ...environmentOf(clerk, database), LOG_LEVEL: 'info' });
});

const now = () => Math.floor(Date.now() / 1000);
const linesOf = ({ output }: ServerProcess): Line[] =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);

let calls = 0;

/** Makes the request and gives its lines, once the one that ends it is there. */
async function logged(path: string, headers: Record<string, string>, at = server, call: Call = {}) {
  const id = `call-${calls++}`;
  const { body } = await at.call(path, { ...call, headers: { ...headers, 'x-request-id': id } });
  for (;;) {
    const lines = linesOf(at).filter(({ req }) => req?.id === id);
    if (lines.some(({ msg }) => msg === 'request completed'))
      return { code: body.code, warnings: lines.filter(({ level }) => level === WARN), lines };
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('a refused token leaves one warning that says why', () => {
  const stranger = createSigningKey();
  const user = () => clerk.aUser().id;

  it.each<[string, string, (sub: string) => string, isProven: boolean]>([
    ['token_invalid', 'malformed', () => 'hello', false],
    ['token_invalid', 'malformed', (sub) => clerk.aToken({ sub, filler: 'x'.repeat(8192) }), false],
    ['token_invalid', 'wrong_header', (sub) => clerk.aToken({ sub }, { alg: 'HS256' }), false],
    ['token_invalid', 'wrong_category', (sub) => clerk.aToken({ sub }, { cat: 'cl_B7d4PD222AAA' }), false],
    ['token_invalid', 'wrong_type', (sub) => clerk.aToken({ sub }, { typ: 'secevent+jwt' }), false],
    ['token_invalid', 'unknown_kid', (sub) => clerk.aToken({ sub }, { kid: 'ins_other' }), false],
    ['token_invalid', 'bad_signature', (sub) => clerk.aToken({ sub }, { kid: clerk.key.kid }, stranger), false],
    ['token_invalid', 'wrong_lifetime', (sub) => clerk.aToken({ sub, exp: now() + 86_400 }), true],
    ['token_invalid', 'wrong_subject', () => clerk.aToken({ sub: 'mch_1' }), false],
    ['token_invalid', 'wrong_claims', (sub) => clerk.aToken({ sub, o: { id: 5 } }), true],
    ['token_invalid', 'wrong_claims', (sub) => clerk.aToken({ sub, act: { name: 'x' } }), true],
    ['token_expired', 'token_expired', (sub) => clerk.aToken({ sub, iat: now() - 90, exp: now() - 30 }), true],
    ['token_not_active', 'token_not_active', (sub) => clerk.aToken({ sub, iat: now() + 40 }), true],
    ['session_pending', 'session_pending', (sub) => clerk.aToken({ sub, sts: 'pending' }), true],
    ['token_type_not_accepted', 'token_type_not_accepted', () => clerk.anApiKey().secret, false],
  ])('%s: %s', async (code, reason, tokenOf, isProven) => {
    const sub = user();
    const token = tokenOf(sub);
    const answer = await logged('/v1/me', bearer(token));
    expect(answer.code).toBe(code);
    expect(answer.warnings).toMatchObject([{ code, reason }]);
    expect(answer.warnings[0]?.user).toBe(isProven ? sub : undefined);
    for (const part of token.split('.').filter(({ length }) => length > 10)) expect(server.output).not.toContain(part);
  });

  it('names the issuer that is not ours', async () => {
    const { warnings } = await logged('/v1/me', bearer(clerk.aToken({ iss: 'https://clerk.example.org' })));
    expect(warnings).toMatchObject([{ reason: 'wrong_issuer', issuer: 'https://clerk.example.org' }]);
  });

  it('names the origin that is not listed', async () => {
    const { warnings } = await logged('/v1/me', bearer(clerk.aToken({ azp: 'chrome-extension://abcdef' })));
    expect(warnings).toMatchObject([{ reason: 'wrong_azp', origin: 'chrome-extension://abcdef' }]);
  });

  it.each<[string, unknown]>([
    ['has line breaks', 'https://x\n{"level":60,"msg":"forged"}\r\n\u2028\u001b[31m'],
    ['is long', `https://${'x'.repeat(5000)}`],
    ['holds an address', 'https://ada.secret@example.com'],
    ['is no text', { toString: 1 }],
  ])('shows of an origin that %s only what an origin has', async (_what, azp) => {
    const { code, warnings } = await logged('/v1/me', bearer(clerk.aToken({ azp })));
    expect([code, warnings.length]).toEqual(['token_invalid', 1]);
    expect(warnings[0]?.origin).toMatch(/^[\w.:/?-]{0,101}…?$/);
    expect(server.output).not.toMatch(/forged"|ada\.secret@/);
  });

  it('also of a cookie, and of a page that may not send it', async () => {
    const cookie = `__session=${clerk.aToken({ azp: undefined })}`;
    expect((await logged('/v1/me', { cookie })).warnings).toMatchObject([{ reason: 'missing_azp' }]);
    const foreign = { cookie, 'sec-fetch-site': 'cross-site' };
    expect((await logged('/v1/me', foreign)).warnings).toMatchObject([{ reason: 'foreign_page' }]);
  });

  it('with the ids of whose it is when it was withdrawn', async () => {
    const member = aMember(clerk);
    expect((await logged('/v1/me', bearer(member.token()))).warnings).toEqual([]);
    await clerk.deliver(
      server.url,
      clerk.anEvent('user.deleted', { object: 'user', id: member.user.id, deleted: true }),
    );
    const { code, warnings } = await logged('/v1/me', bearer(member.token()));
    expect(code).toBe('token_revoked');
    expect(warnings).toMatchObject([{ reason: 'token_revoked', user: member.user.id, tenant: member.organization.id }]);
  });

  it.each<[string, string, () => string]>([
    ['token_invalid', 'malformed', () => 'ak_short'],
    ['token_invalid', 'unknown_to_clerk', () => `ak_${'0'.repeat(32)}`],
    ['token_invalid', 'wrong_category', () => clerk.anM2MJwt()],
  ])('of a machine too: %s, %s', async (code, reason, token) => {
    const { code: answered, warnings } = await logged('/v1/projects', bearer(token()));
    expect(answered).toBe(code);
    expect(warnings).toMatchObject([{ code, reason }]);
  });

  it('with the ids of whose the key was that Clerk has revoked', async () => {
    const { organization } = aMember(clerk);
    const { id, secret } = clerk.anApiKey({ subject: organization.id });
    clerk.apiKeys.revoke(id);
    const { warnings } = await logged('/v1/projects', bearer(secret));
    expect(warnings).toMatchObject([{ reason: 'token_revoked', tenant: organization.id }]);
  });

  it('while there is no key set', async () => {
    const other = await TestClerk.start();
    other.behaviour = 'fails';
    const own = await ServerProcess.spawn({ ...environmentOf(other, database), LOG_LEVEL: 'info' });
    await own.until('/healthz', 200);
    await own.until('/v1/me', 401);
    const { code, warnings } = await logged('/v1/me', bearer(other.aToken()), own);
    expect([code, warnings.length]).toEqual(['unavailable', 1]);
    expect(warnings).toMatchObject([{ reason: 'no_key_set' }]);
    await own.stop();
  });

  it('is no token that there is not', async () => {
    expect(await logged('/v1/me', {})).toMatchObject({ code: 'token_missing', warnings: [] });
  });

  it('but not each of a flood, which then is counted', async () => {
    const own = await ServerProcess.start({ ...environmentOf(clerk, database), LOG_LEVEL: 'info' });
    for (let from = 0; from < 1000; from += 50)
      await Promise.all(
        Array.from({ length: 50 }, () => own.as(clerk.aToken({ azp: 'https://evil.example' }), '/v1/me')),
      );
    const other = await logged('/v1/me', bearer('hello'), own);
    expect(other.warnings).toMatchObject([{ reason: 'malformed' }]);
    await own.stop();
    const warnings = linesOf(own).filter(({ reason, level }) => reason === 'wrong_azp' && level === WARN);
    expect(warnings.length).toBeGreaterThan(10);
    expect(warnings.length).toBeLessThan(200);
  });
});

describe('the line of a request says', () => {
  const endOf = ({ lines }: Awaited<ReturnType<typeof logged>>) => lines.find(({ level }) => level === INFO);

  it('of a 401 why', async () => {
    const ended = endOf(await logged('/v1/me', bearer(clerk.aToken({ azp: 'https://evil.example' }))));
    expect(ended).toMatchObject({ code: 'token_invalid', reason: 'wrong_azp', res: { status: 401 } });
  });

  it.each([
    ['403', '/v1/tenant', 'role_required', 'PATCH'],
    ['404', `/v1/projects/${crypto.randomUUID()}`, 'not_found', 'GET'],
  ])('of a %s why and who', async (status, path, code, method) => {
    const { token, user, organization } = aMember(clerk);
    const call = { method, body: method === 'PATCH' ? {} : undefined };
    expect(endOf(await logged(path, bearer(token()), server, call))).toMatchObject({
      code,
      user: user.id,
      tenant: organization.id,
      res: { status: Number(status) },
    });
  });

  it('of a 404 of no route why, and of an answer nothing more', async () => {
    expect(endOf(await logged('/v1/nothing', {}))).toMatchObject({ code: 'not_found' });
    const good = endOf(await logged('/v1/me', bearer(clerk.aToken())));
    expect(Object.keys(good ?? {}).filter((key) => ['code', 'reason', 'user', 'tenant'].includes(key))).toEqual([]);
  });
});
