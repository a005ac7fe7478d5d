import { hash, randomBytes } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createSigningKey } from '../local/clerk/signing-key.ts';
import { Pruning } from '../src/database/index.ts';
import type { TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import {
  anAddress,
  EXPIRED,
  INVALID,
  METRICS_TOKEN,
  OK,
  REVOKED,
  seen,
  startWithMachines,
  stopClock,
  verificationsAt,
} from './support/machines.ts';
import { until } from './support/until.ts';

const NOT_ACCEPTED = [403, 'token_type_not_accepted'];
const BUSY = [429, 'rate_limited'];
const NOTATIONS = [
  '2001:db8:8:1:0:0:0:1',
  '2001:DB8:8:1::1',
  '2001:0db8:0008:0001:0000:0000:0000:0001',
  '2001:db8:8:1::192.0.2.1',
  '2001:db8:8:1::1%eth0',
];
const IPV4_NOTATIONS = [
  '192.0.2.7',
  '::ffff:192.0.2.7',
  '::FFFF:c000:207',
  '0:0:0:0:0:ffff:192.0.2.7',
  '::ffff:C000:0207',
];
const AWAY = [503, 'unavailable'];

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startWithMachines(clerk);
});

beforeEach(() => {
  clerk.behaviour = 'answers';
  clerk.statuses = [];
});

afterEach(() => {
  jest.restoreAllMocks();
});

const random = () => randomBytes(16).toString('hex');
const junk = () => `ak_${random()}`;
const verifications = () => verificationsAt(clerk);
const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

describe('a machine is who its token says', () => {
  it('with an API key of a user', async () => {
    const { id: subject } = clerk.aUser();
    const { id, secret, created_at } = clerk.anApiKey({ subject, scopes: ['a', 'b:c'], claims: { plan: 'x' } });
    const { status, body } = await app.as(secret, '/machines');
    expect([status, body]).toEqual([
      200,
      {
        tokenType: 'api_key',
        id,
        subject,
        clerkUserId: subject,
        impersonatedBy: null,
        organization: null,
        scopes: ['a', 'b:c'],
        clientId: null,
        issuedAt: Math.floor(created_at / 1000),
        claims: { plan: 'x' },
        tenant: null,
      },
    ]);
    expect((await app.as(secret, '/machines/user')).body).toEqual({ clerkId: subject });
  });

  it('with an API key of an organization, which works in its tenant and is no user', async () => {
    const { id: subject } = clerk.anOrganization();
    const { secret } = clerk.anApiKey({ subject });
    const { body } = await app.as(secret, '/machines');
    const expected = { clerkUserId: null, organization: { clerkId: subject, slug: null }, tenant: subject };
    expect(body).toMatchObject({ tokenType: 'api_key', subject, ...expected });
    expect(await seen(app, secret, '/machines/user')).toEqual(NOT_ACCEPTED);
  });

  it.each([
    ['an M2M token', () => clerk.anM2MToken({ claims: { a: 1 } }).token],
    ['an M2M token as JWT', () => clerk.anM2MJwt({ a: 1 })],
  ])('with %s', async (_, token) => {
    const { body } = await app.as(token(), '/machines');
    const nobody = { clerkUserId: null, organization: null, tenant: null };
    expect(body).toMatchObject({
      tokenType: 'm2m_token',
      subject: clerk.machineId,
      scopes: [clerk.machineId],
      ...nobody,
    });
    expect(body.claims).toMatchObject({ a: 1 });
  });

  it('with an OAuth access token, whose times Clerk gives in seconds', async () => {
    const { id: subject } = clerk.aUser();
    const { token, id, client_id: clientId } = clerk.anOAuthToken({ subject, scopes: ['profile'] });
    const { body } = await app.as(token, '/machines');
    const issuedAt = expect.any(Number);
    expect(body).toMatchObject({
      tokenType: 'oauth_token',
      id,
      subject,
      clerkUserId: subject,
      scopes: ['profile'],
      clientId,
      issuedAt,
    });
    expect(Math.abs((body.issuedAt as number) - secondsFromNow(0))).toBeLessThan(60);
  });

  it('with an OAuth access token as JWT, without a call', async () => {
    const { id: sub } = clerk.aUser();
    const before = verifications();
    const { body } = await app.as(clerk.anOAuthJwt({ sub, scope: 'a b' }), '/machines');
    expect(body).toMatchObject({
      tokenType: 'oauth_token',
      clerkUserId: sub,
      scopes: ['a', 'b'],
      impersonatedBy: null,
    });
    expect(verifications()).toBe(before);
  });

  it('and who acts as the user, after a token exchange', async () => {
    const token = clerk.anOAuthJwt({ act: { sub: 'user_boss' } });
    expect((await app.as(token, '/machines')).body).toMatchObject({ impersonatedBy: 'user_boss' });
  });
});

describe('where this service is a machine itself (CLERK_MACHINE_SECRET_KEY)', () => {
  it('M2M tokens must be meant for it, and other kinds are verified as ever', async () => {
    const own = await startWithMachines(clerk, { CLERK_MACHINE_SECRET_KEY: clerk.machineSecretKey });
    expect(await seen(own, clerk.anM2MToken({ scopes: [clerk.machineId] }).token)).toEqual(OK);
    expect(await seen(own, clerk.anM2MToken({ scopes: ['mch_other'] }).token)).toEqual(INVALID);
    for (const token of [clerk.anApiKey().secret, clerk.anOAuthToken().token])
      expect(await seen(own, token)).toEqual(OK);
  });
});

describe('a token of a machine is refused', () => {
  it.each([
    ['API key', () => clerk.anApiKey(), () => clerk.apiKeys],
    ['M2M token', () => clerk.anM2MToken(), () => clerk.m2mTokens],
    ['OAuth access token', () => clerk.anOAuthToken(), () => clerk.oauthTokens],
  ])('when Clerk says in a 200 that the %s is revoked or expired', async (_, make, book) => {
    const [revoked, expired] = [make(), make()] as { id: string; secret?: string; token?: string }[];
    book().revoke(revoked?.id ?? '');
    book().expire(expired?.id ?? '');
    const secretOf = (key: typeof revoked) => key?.secret ?? key?.token ?? '';
    for (let i = 0; i < 2; i++) {
      expect(await seen(app, secretOf(revoked))).toEqual(REVOKED);
      expect(await seen(app, secretOf(expired))).toEqual(EXPIRED);
    }
  });

  it.each(['ak', 'mt', 'oat'])('that Clerk does not know: %s_', async (prefix) => {
    const before = verifications();
    const token = `${prefix}_${random()}`;
    for (let i = 0; i < 3; i++) expect(await seen(app, token)).toEqual(INVALID);
    expect(verifications()).toBe(before + 1);
  });

  it.each([
    ['short', 'ak_abc'],
    ['long', `ak_${'a'.repeat(257)}`],
    ['longer than a header should be', `mt_${'a'.repeat(9000)}`],
    ['of another alphabet', `ak_${'a'.repeat(20)}.${'b'.repeat(20)}`],
    ['with a percent sign', `oat_${'a'.repeat(20)}%00`],
    ['with characters of plain base64', `ak_${'a'.repeat(20)}+/=`],
  ])('that is %s, without a call', async (_, token) => {
    const before = clerk.calls.length;
    expect(await seen(app, token)).toEqual(INVALID);
    expect(clerk.calls).toHaveLength(before);
  });

  const other = createSigningKey();
  it.each<[string, () => string, (string | number | undefined)[]]>([
    ['M2M: of another issuer', () => clerk.anM2MJwt({ iss: 'https://clerk.evil.example' }), INVALID],
    ['M2M: without an issuer', () => clerk.anM2MJwt({ iss: undefined }), INVALID],
    ['M2M: expired', () => clerk.anM2MJwt({ iat: secondsFromNow(-700), exp: secondsFromNow(-600) }), EXPIRED],
    ['M2M: not yet valid', () => clerk.anM2MJwt({ nbf: secondsFromNow(600) }), [401, 'token_not_active']],
    ['M2M: without an end', () => clerk.anM2MJwt({ exp: undefined }), INVALID],
    ['M2M: of the category of sessions', () => clerk.anM2MJwt({}, { cat: 'cl_B7d4PD111AAA' }), INVALID],
    ['M2M: of an unknown key', () => clerk.anM2MJwt({}, { kid: 'ins_unknown' }), INVALID],
    ['M2M: signed by somebody else under our key id', () => clerk.anM2MJwt({}, { kid: clerk.key.kid }, other), INVALID],
    [
      'OAuth: signed by somebody else under our key id',
      () => clerk.anOAuthJwt({}, { kid: clerk.key.kid }, other),
      INVALID,
    ],
    ['M2M: unsigned', () => `${clerk.anM2MJwt().split('.').slice(0, 2).join('.')}.AAAA`, INVALID],
    ['M2M: of another algorithm', () => clerk.anM2MJwt({}, { alg: 'HS256' }), INVALID],
    ['M2M: with something critical', () => clerk.anM2MJwt({}, { crit: ['x'] }), INVALID],
    ['OAuth: of another issuer', () => clerk.anOAuthJwt({ iss: other.kid }), INVALID],
    ['OAuth: expired', () => clerk.anOAuthJwt({ iat: secondsFromNow(-700), exp: secondsFromNow(-600) }), EXPIRED],
    ['OAuth: without a subject', () => clerk.anOAuthJwt({ sub: undefined }), INVALID],
    ['OAuth: of nobody that Clerk has', () => clerk.anOAuthJwt({ sub: 'x_1' }), INVALID],
    ['OAuth: with a scope that is no text', () => clerk.anOAuthJwt({ scope: 5 }), INVALID],
    ['M2M: with scopes that are no text', () => clerk.anM2MJwt({ scopes: 5 }), INVALID],
    ['M2M: with scopes in a list', () => clerk.anM2MJwt({ scopes: ['a'] }), INVALID],
    ['M2M: of the type of OAuth', () => clerk.anM2MJwt({}, { typ: 'at+jwt', cat: undefined }), INVALID],
    ['OAuth: with an actor that is a text', () => clerk.anOAuthJwt({ act: 'user_boss' }), INVALID],
    ['OAuth: with an actor that is a number', () => clerk.anOAuthJwt({ act: { sub: 5 } }), INVALID],
    ['OAuth: with an actor that is null', () => clerk.anOAuthJwt({ act: null }), INVALID],
    ['OAuth: with an actor without a name', () => clerk.anOAuthJwt({ act: { sub: '' } }), INVALID],
  ])('as JWT, %s', async (_, token, expected) => {
    const jwt = token();
    const before = verifications();
    for (let i = 0; i < 2; i++) expect(await seen(app, jwt)).toEqual(expected);
    expect(verifications()).toBe(before);
  });

  it('where the route takes another kind, before anybody is asked about it', async () => {
    const tokens = {
      keys: clerk.anApiKey().secret,
      m2m: clerk.anM2MToken().token,
      oauth: clerk.anOAuthToken().token,
      sessions: clerk.aToken(),
      m2mJwt: clerk.anM2MJwt(),
      oauthJwt: clerk.anOAuthJwt(),
    };
    const taken = {
      keys: ['keys'],
      m2m: ['m2m', 'm2mJwt'],
      oauth: ['oauth', 'sessions', 'oauthJwt'],
      sessions: ['sessions'],
    };
    for (const [path, names] of Object.entries(taken))
      for (const [name, token] of Object.entries(tokens)) {
        const before = clerk.calls.length;
        const [status, code] = await seen(app, token, `/machines/${path}`);
        if (names.includes(name)) expect([path, name, status]).toEqual([path, name, 200]);
        else {
          // Clerk's own word for a machine's JWT where a session is asked for is that it is no session's
          const isUnread = name === 'm2mJwt' && path !== 'keys';
          expect([path, name, status, code]).toEqual([path, name, ...(isUnread ? INVALID : NOT_ACCEPTED)]);
          expect(clerk.calls).toHaveLength(before);
        }
      }
  });

  it('in a cookie', async () => {
    const { secret } = clerk.anApiKey();
    const { body } = await app.call('/machines', { headers: { cookie: `__session=${secret}` } });
    expect(body.code).toBe('token_type_not_accepted');
  });
});

describe('who may not call any more may not with a key', () => {
  const tell = async (type: string, data: object) =>
    expect((await clerk.deliver(app.url, clerk.anEvent(type, data))).status).toBe(204);

  it('as a user who is banned, also after the ban is lifted', async () => {
    const user = clerk.aUser();
    const old = clerk.anApiKey({ subject: user.id }).secret;
    expect(await seen(app, old)).toEqual(OK);
    await tell('user.updated', { ...user, banned: true, updated_at: Date.now() + 1 });
    expect(await seen(app, old)).toEqual(REVOKED);
    await tell('user.updated', { ...user, banned: false, updated_at: Date.now() + 2 });
    expect(await seen(app, old)).toEqual(REVOKED);
    const [kept] = await app.database.query<{ expires_at: Date }>(
      "select expires_at from revocations where kind = 'user' and clerk_id = $1",
      [user.id],
    );
    expect(kept?.expires_at.getFullYear()).toBeGreaterThan(2100);
    stopClock().goAhead(5000);
    expect(await seen(app, clerk.anApiKey({ subject: user.id }).secret)).toEqual(OK);
  });

  it('as an organization that is deleted', async () => {
    const organization = clerk.anOrganization();
    const { secret } = clerk.anApiKey({ subject: organization.id });
    expect(await seen(app, secret)).toEqual(OK);
    await tell('organization.deleted', { object: 'organization', id: organization.id, deleted: true });
    expect(await seen(app, secret)).toEqual(REVOKED);
  });

  it('as a user whom Clerk does not know', async () => {
    expect(await seen(app, clerk.anOAuthJwt({ sub: `user_${random()}` }))).toEqual(REVOKED);
  });
});

describe('an answer that is not Clerk’s', () => {
  it('refuses no key: another’s 404 is no word on it', async () => {
    const { secret } = clerk.anApiKey();
    clerk.behaviour = 'misleads';
    expect(await seen(app, secret)).toEqual(AWAY);
    clerk.behaviour = 'answers';
    expect(await seen(app, secret)).toEqual(OK);
  });
});

describe('Clerk is asked', () => {
  it('never for what the route does not take', async () => {
    const before = clerk.calls.length;
    for (let i = 0; i < 1000; i++) expect(await seen(app, junk(), '/v1/me')).toEqual(NOT_ACCEPTED);
    expect(clerk.calls).toHaveLength(before);
  });

  it('once a minute for a good key, however many bring it at once', async () => {
    const clock = stopClock();
    const { secret } = clerk.anApiKey();
    const before = verifications();
    const answers = await Promise.all(Array.from({ length: 100 }, () => seen(app, secret)));
    for (let i = 0; i < 900; i++) answers.push(await seen(app, secret));
    expect(answers.filter(([status]) => status === 200)).toHaveLength(1000);
    clock.goAhead(59_999);
    expect([await seen(app, secret), verifications()]).toEqual([OK, before + 1]);
    clock.goAhead(1);
    expect([await seen(app, secret), verifications()]).toEqual([OK, before + 2]);
  });

  it('and each question is counted, since it is paid for', async () => {
    const figures = async () => {
      const { text } = (await app.as(METRICS_TOKEN, '/metrics')).body as { text: string };
      const of = (outcome: string) =>
        Number(new RegExp(`questions_total{outcome="${outcome}"} (\\d+)`).exec(text)?.[1] ?? 0);
      return [of('good'), of('unknown')];
    };
    const [good = 0, unknown = 0] = await figures();
    for (const token of [clerk.anApiKey().secret, junk()]) for (let i = 0; i < 2; i++) await seen(app, token);
    expect(await figures()).toEqual([good + 1, unknown + 1]);
  });

  it('again within a minute after a key is revoked there', async () => {
    const clock = stopClock();
    const { id, secret } = clerk.anApiKey();
    expect(await seen(app, secret)).toEqual(OK);
    clerk.apiKeys.revoke(id);
    clock.goAhead(59_999);
    expect(await seen(app, secret)).toEqual(OK);
    clock.goAhead(1);
    expect(await seen(app, secret)).toEqual(REVOKED);
  });

  it('before the minute is over when a key ends', async () => {
    const clock = stopClock();
    const { secret } = clerk.anApiKey({ secondsUntilExpiration: 10 });
    expect(await seen(app, secret)).toEqual(OK);
    clock.goAhead(9999);
    expect(await seen(app, secret)).toEqual(OK);
    clock.goAhead(1);
    expect(await seen(app, secret)).toEqual(EXPIRED);
  });

  it('again after a minute, whoever set the time back meanwhile', async () => {
    const clock = stopClock();
    const { id, secret } = clerk.anApiKey();
    expect(await seen(app, secret)).toEqual(OK);
    clerk.apiKeys.revoke(id);
    clock.goAhead(59_999);
    clock.set(-3_600_000);
    expect(await seen(app, secret)).toEqual(OK);
    clock.goAhead(1);
    expect(await seen(app, secret)).toEqual(REVOKED);
  });
});

describe('when Clerk changes its signing key', () => {
  it('JWTs of the old one are refused, and the keys that it vouched for stay known', async () => {
    const own = await TestClerk.start();
    const rotating = await startWithMachines(own, { ...own.env });
    const [jwt, { secret }] = [own.anM2MJwt(), own.anApiKey()];
    for (const token of [jwt, secret]) expect(await seen(rotating, token)).toEqual(OK);
    own.rotateKey();
    // between two fetches of the key set, which a JWT of an unknown key asks for, there are 30 s
    const clock = stopClock();
    clock.goAhead(31_000);
    expect(await seen(rotating, own.anM2MJwt())).toEqual(OK);
    expect(await seen(rotating, jwt)).toEqual(INVALID);
    // the bucket of newcomers is empty, and it is none
    for (let i = 0; i < 20; i++) await seen(rotating, junk());
    expect(await seen(rotating, junk())).toEqual(BUSY);
    clock.goAhead(60_000);
    expect(await seen(rotating, secret)).toEqual(OK);
  });
});

describe('while Clerk', () => {
  let own: TestApp;

  // one each: a breaker stays open
  beforeEach(async () => {
    own = await startWithMachines(clerk);
  });
  afterEach(async () => {
    await own.app.close();
  });

  /** Of a refusal of now: its status, its code, and when to come again. */
  const wait = async (token: string) => {
    const { status, body, headers } = await own.as(token, '/machines');
    return [status, body.code, Number(headers['retry-after'])];
  };

  it('answers 429, a known key works for the rest of its minute, then it is 503 with Clerk’s own wait', async () => {
    const clock = stopClock();
    const { secret } = clerk.anApiKey();
    expect(await seen(own, secret)).toEqual(OK);
    clerk.behaviour = 'busy';
    clock.goAhead(59_999);
    expect(await seen(own, secret)).toEqual(OK);
    clock.goAhead(1);
    expect(await wait(secret)).toEqual([...AWAY, 7]);
    const calls = clerk.calls.length;
    clock.goAhead(6999);
    expect(await wait(secret)).toEqual([...AWAY, 1]);
    expect(clerk.calls).toHaveLength(calls);
    clerk.behaviour = 'answers';
    clock.goAhead(1);
    expect(await seen(own, secret)).toEqual(OK);
  });

  it('answers 429, no failure of other calls makes it an outage', async () => {
    const clock = stopClock();
    const { secret } = clerk.anApiKey();
    expect(await seen(own, secret)).toEqual(OK);
    clerk.behaviour = 'busy';
    clock.goAhead(60_000);
    for (let i = 0; i < 5; i++) await own.as(clerk.aToken(), '/v1/me');
    clerk.behaviour = 'fails';
    for (let i = 0; i < 5; i++) await own.as(clerk.aToken(), '/v1/me');
    clerk.behaviour = 'busy';
    for (let i = 0; i < 3; i++) expect(await seen(own, secret)).toEqual(AWAY);
  });

  it.each(['fails', 'refuses', 'hangs'] as const)(
    '%s, a key that was good works a minute longer, and no longer; an unknown one is 503',
    async (behaviour) => {
      const clock = stopClock();
      const { secret } = clerk.anApiKey();
      expect(await seen(own, secret)).toEqual(OK);
      clerk.behaviour = behaviour;
      clock.goAhead(60_000);
      expect(await seen(own, secret)).toEqual(OK);
      expect(await wait(clerk.anApiKey().secret)).toEqual([...AWAY, expect.any(Number)]);
      clock.goAhead(59_999);
      expect(await seen(own, secret)).toEqual(OK);
      clock.goAhead(1);
      expect(await wait(secret)).toEqual([...AWAY, expect.any(Number)]);
    },
  );

  it('fails, it is asked again ten seconds later, also when the clock is set back meanwhile', async () => {
    const clock = stopClock();
    clerk.behaviour = 'fails';
    for (let i = 0; i < 3; i++) expect(await seen(own, clerk.anApiKey().secret)).toEqual(AWAY);
    clerk.behaviour = 'answers';
    expect(await seen(own, clerk.anApiKey().secret)).toEqual(AWAY);
    clock.set(-7_200_000);
    clock.goAhead(10_000);
    expect(await seen(own, clerk.anApiKey().secret)).toEqual(OK);
  });

  it('fails, it is not asked again at once because the clock is set ahead', async () => {
    const clock = stopClock();
    clerk.behaviour = 'fails';
    for (let i = 0; i < 3; i++) expect(await seen(own, clerk.anApiKey().secret)).toEqual(AWAY);
    const calls = clerk.calls.length;
    clock.set(7_200_000);
    expect(await seen(own, clerk.anApiKey().secret)).toEqual(AWAY);
    expect(clerk.calls).toHaveLength(calls);
  });

  it('fails, what is not asked is not counted as asked', async () => {
    const asked = async () => {
      const { text } = (await own.as(METRICS_TOKEN, '/metrics')).body as { text: string };
      return Number(/questions_total{outcome="away"} (\d+)/.exec(text)?.[1] ?? 0);
    };
    clerk.behaviour = 'fails';
    const before = verifications();
    for (let i = 0; i < 6; i++) expect(await seen(own, clerk.anApiKey().secret)).toEqual(AWAY);
    expect(await asked()).toBe(verifications() - before);
  });

  it('fails, a key never works past its own end', async () => {
    const clock = stopClock();
    const { secret } = clerk.anApiKey({ secondsUntilExpiration: 70 });
    const eternal = clerk.anApiKey().secret;
    for (const key of [secret, eternal]) expect(await seen(own, key)).toEqual(OK);
    clerk.behaviour = 'fails';
    clock.goAhead(69_999);
    for (const key of [secret, eternal]) expect(await seen(own, key)).toEqual(OK);
    clock.goAhead(1);
    expect([await seen(own, secret), await seen(own, eternal)]).toEqual([AWAY, OK]);
  });

  it.each([302, 402, 403, 418])(
    'answers %d, which says nothing of the key, it is 503, whoever knew it',
    async (status) => {
      const clock = stopClock();
      const { secret } = clerk.anApiKey();
      expect(await seen(own, secret)).toEqual(OK);
      clock.goAhead(60_000);
      for (const token of [secret, clerk.anApiKey().secret]) {
        clerk.statuses = [status];
        expect(await seen(own, token)).toEqual(AWAY);
      }
      expect(await seen(own, secret)).toEqual(OK);
    },
  );

  it('shows a key of a form that nobody knows, it is 503, and others go on', async () => {
    const clock = stopClock();
    const { secret } = clerk.anApiKey();
    expect(await seen(own, secret)).toEqual(OK);
    for (let i = 0; i < 5; i++) {
      const odd = clerk.anApiKey({ scopes: [5] as never });
      expect(await seen(own, odd.secret)).toEqual(AWAY);
    }
    expect(await seen(own, clerk.anApiKey().secret)).toEqual(OK);
    clock.goAhead(60_000);
    expect(await seen(own, secret)).toEqual(OK);
  });

  it.each([400, 401, 404, 422])('answers %d, a key is 401', async (status) => {
    clerk.statuses = [status];
    expect(await seen(own, clerk.anApiKey().secret)).toEqual(INVALID);
  });
});

describe('made-up keys', () => {
  it('from one address are refused without a look after some', async () => {
    const address = anAddress();
    const known = clerk.anApiKey().secret;
    const seenOf = (token: string) => seen(app, token, '/machines', address);
    expect(await seenOf(known)).toEqual(OK);
    // malformed ones cost no call, and count
    for (let i = 0; i < 30; i++) expect(await seenOf(`ak_${i}`)).toEqual(INVALID);
    const before = clerk.calls.length;
    const headers = { 'x-forwarded-for': address };
    const refused = await app.as(junk(), '/machines', { headers });
    expect([refused.status, refused.body.code, refused.headers['retry-after']]).toEqual([...BUSY, '60']);
    expect(await seenOf(clerk.anM2MJwt({ iss: 'x' }))).toEqual(BUSY);
    expect(clerk.calls).toHaveLength(before);
    expect(await seenOf(known)).toEqual(OK);
    expect(await seen(app, clerk.anM2MJwt())).toEqual(OK);
  });

  it.each<[string, (i: number) => string]>([
    ['addresses of one /64', (i) => `2001:db8:7:1::${(i + 1).toString(16)}`],
    ['notations of one address', (i) => NOTATIONS[i % NOTATIONS.length] ?? ''],
    ['notations of one IPv4 address', (i) => IPV4_NOTATIONS[i % IPV4_NOTATIONS.length] ?? ''],
  ])('from %s count as from one', async (_what, addressOf) => {
    const own = await startWithMachines(clerk);
    for (let i = 0; i < 30; i++) expect(await seen(own, `ak_${i}`, '/machines', addressOf(i))).toEqual(INVALID);
    expect(await seen(own, junk(), '/machines', addressOf(31))).toEqual(BUSY);
    for (const neighbour of ['2001:db8:7:2::1', '2001:db8:6:1::1', '192.0.2.8', '::ffff:192.0.2.6'])
      expect(await seen(own, junk(), '/machines', neighbour)).toEqual(INVALID);
    await own.app.close();
  });

  it('as JWTs of keys that Clerk does not have are counted, too', async () => {
    const address = anAddress();
    const send = () => seen(app, clerk.anM2MJwt({}, { kid: 'ins_unknown' }), '/machines', address);
    for (let i = 0; i < 30; i++) expect(await send()).toEqual(INVALID);
    expect(await send()).toEqual(BUSY);
  });

  it('from everywhere draw on the bucket of newcomers alone: who is known goes on', async () => {
    const own = await startWithMachines(clerk);
    const [first, , third] = Array.from({ length: 3 }, () => clerk.anApiKey());
    for (const key of [first, third]) expect(await seen(own, key?.secret ?? '')).toEqual(OK);
    const clock = stopClock();
    const before = verifications();
    const start = performance.now();
    const answers = await Promise.all(Array.from({ length: 500 }, () => seen(own, junk())));
    const seconds = (performance.now() - start) / 1000;
    // a tenth of 1000 in 10 s: half of it at once, the other half by and by
    expect(verifications() - before).toBeLessThanOrEqual(50 + Math.ceil(seconds * 5));
    expect(answers).toContainEqual(BUSY);
    const newcomers = Array.from({ length: 30 }, () => seen(own, clerk.anApiKey().secret));
    expect(await Promise.all(newcomers)).toContainEqual(BUSY);
    clerk.apiKeys.revoke(third?.id ?? '');
    clock.goAhead(60_000);
    const flood = Array.from({ length: 200 }, () => seen(own, junk()));
    expect(await seen(own, first?.secret ?? '')).toEqual(OK);
    expect(await seen(own, third?.secret ?? '')).toEqual(REVOKED);
    await Promise.all(flood);
  });
});

describe('the keys that Clerk has called good', () => {
  /** Of a development instance, which Clerk asks less of: a fifth of 100 calls in ten seconds. */
  const SHARE = 20;

  it('draw on a share of their own: people, and new keys at their pace, go on', async () => {
    const own = await TestClerk.start();
    const keys = Array.from({ length: 40 }, () => own.anApiKey().secret);
    const first = await startWithMachines(own, { ...own.env });
    await first.database.query(
      'insert into known_keys (hash, proven_at) select value, now() from jsonb_array_elements_text($1::jsonb)',
      [JSON.stringify(keys.map((secret) => hash('sha256', secret, 'base64url')))],
    );
    const limited = await startWithMachines(own, { ...own.env }, first.database);
    const before = verificationsAt(own);
    const answers = await Promise.all(keys.map((secret) => limited.as(secret, '/machines')));
    expect(verificationsAt(own) - before).toBeLessThanOrEqual(SHARE);
    const [served, others] = [
      answers.filter(({ status }) => status === 200),
      answers.filter((one) => one.status !== 200),
    ];
    expect(served.length).toBeGreaterThanOrEqual(SHARE / 2);
    for (const { status, body, headers } of others)
      expect([status, body.code, Number(headers['retry-after'])]).toEqual([...AWAY, expect.any(Number)]);
    expect((await limited.as(own.aToken(), '/v1/me/sessions')).status).toBe(200);
  });
});

describe('a key that Clerk called good once', () => {
  const knownKeys = (of: TestApp) => of.database.query<{ hash: string }>('select hash from known_keys');
  /** Takes every place of newcomers. */
  const flood = (of: TestApp) => Promise.all(Array.from({ length: 120 }, () => seen(of, junk())));

  it('is no newcomer after a restart, and made-up or refused ones leave no row', async () => {
    const before = await startWithMachines(clerk);
    const [good, revoked] = [clerk.anApiKey().secret, clerk.anApiKey()];
    clerk.apiKeys.revoke(revoked.id);
    expect(await seen(before, good)).toEqual(OK);
    expect(await seen(before, revoked.secret)).toEqual(REVOKED);
    expect(await seen(before, junk())).toEqual(INVALID);
    await before.app.close();
    expect(await knownKeys(before)).toEqual([{ hash: hash('sha256', good, 'base64url') }]);

    const after = await startWithMachines(clerk, {}, before.database);
    stopClock();
    expect(await flood(after)).toContainEqual(BUSY);
    expect(await seen(after, clerk.anApiKey().secret)).toEqual(BUSY);
    expect(await seen(after, good)).toEqual(OK);
    await after.app.close();
  });

  it('is none at another process some seconds later', async () => {
    const first = await startWithMachines(clerk);
    const second = await startWithMachines(clerk, {}, first.database);
    const { secret } = clerk.anApiKey();
    // so that no place comes back
    stopClock();
    expect(await seen(first, secret)).toEqual(OK);
    await until(
      async () => (await knownKeys(first)).length,
      (count) => count === 1,
    );
    await flood(second);
    expect(
      await until(
        () => seen(second, secret),
        ([status]) => status === 200,
      ),
    ).toEqual(OK);
    await Promise.all([first.app.close(), second.app.close()]);
  });

  it('goes on while the table cannot be written, and old or too many rows are pruned', async () => {
    const own = await startWithMachines(clerk);
    await own.database.query('revoke insert, update on known_keys from gatehouse');
    expect(await seen(own, clerk.anApiKey().secret)).toEqual(OK);
    await own.database.query('grant all on known_keys to gatehouse');
    await own.database.query(
      `insert into known_keys select i::text, now() - (case when i < 5 then 15 else 1 end) * interval '1 day' - i * interval '1 ms'
       from generate_series(0, 100009) i`,
    );
    await own.app.get(Pruning).run();
    expect(
      await own.database.query(
        "select count(*)::int as n, min(proven_at) > now() - interval '14 days' as fresh from known_keys",
      ),
    ).toEqual([{ n: 100_000, fresh: true }]);
  });
});
