import { createClerkClient } from '@clerk/backend';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import type { LocalClerk } from '../local/clerk/local-clerk.ts';
import { SEEDED_ORGANIZATIONS, SEEDED_USERS } from '../local/clerk/people.ts';
import { TestClerk } from './support/clerk.ts';
import { type Call, call } from './support/http.ts';
import { aClerk, claimsOf } from './support/local-clerk.ts';
import { complaints, type Schema, whenPublished } from './support/published.ts';

const [ADA, GRACE] = SEEDED_USERS.map(({ id }) => id) as [string, string];
const [ACME] = SEEDED_ORGANIZATIONS.map(({ id }) => id) as [string];
const OTHER_MACHINE = 'mch_2other000000000000000000000';
const PATIENCE_MS = 30_000;
const KEY = { name: 'Deploy', subject: ADA, scopes: ['projects:read'] };
const POST = (body: object): Call => ({ method: 'POST', body });

type SdkOptions = Parameters<typeof createClerkClient>[0];
type TokenType = 'api_key' | 'm2m_token' | 'oauth_token';

const sdkOf = (options: SdkOptions) => createClerkClient({ telemetry: { disabled: true }, ...options });

/** A local Clerk, with the SDK of a server that is its machine. */
async function aMachineClerk() {
  const own = await aClerk();
  const { secretKey, machineSecretKey, publishableKey, options } = own.clerk;
  const { origin: apiUrl, key } = options;
  const sdk = sdkOf({ secretKey, machineSecretKey, publishableKey, apiUrl, jwtKey: key.publicKeyPem });
  const asMachine = (path: string, { method, body }: Call = {}) =>
    call(`${apiUrl}${path}`, { method, body, headers: { authorization: `Bearer ${machineSecretKey}` } });
  return { ...own, sdk, asMachine };
}

const headerOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
const listOf = (clerk: LocalClerk, subject: string) => clerk.apiKeys.list((key) => key.subject === subject);

describe('an API key of the local Clerk', () => {
  it('is made, shown and verified, and tells its secret once', async () => {
    const { sdk } = await aMachineClerk();
    const made = await sdk.apiKeys.create({ ...KEY, claims: { team: 'a' }, createdBy: ADA, description: 'CI' });
    expect(made).toMatchObject({
      ...KEY,
      id: expect.stringMatching(/^ak_[0-9a-f]{32}$/),
      secret: expect.stringMatching(/^ak_[A-Za-z0-9]{32,}$/),
      type: 'api_key',
      claims: { team: 'a' },
      createdBy: ADA,
      description: 'CI',
      expiration: null,
      revoked: false,
      expired: false,
    });
    const { secret = '', ...shown } = made;
    expect(await sdk.apiKeys.get(made.id)).toEqual(shown);
    expect(await sdk.apiKeys.verify(secret)).toEqual(shown);
    await expect(sdk.apiKeys.verify(made.id)).rejects.toMatchObject({ status: 404 });
  });

  it('is made for as long as was asked, in milliseconds', async () => {
    const { sdk } = await aMachineClerk();
    const { expiration, expired } = await sdk.apiKeys.create({ ...KEY, secondsUntilExpiration: 3600 });
    expect(expired).toBe(false);
    expect(Math.abs(Number(expiration) - Date.now() - 3_600_000)).toBeLessThan(PATIENCE_MS);
  });

  it('is listed for its subject, newest first, while it is valid or to who asks for all', async () => {
    const { sdk, clerk } = await aMachineClerk();
    const ids: string[] = [];
    for (const name of ['one', 'two', 'three', 'four']) ids.unshift((await sdk.apiKeys.create({ ...KEY, name })).id);
    await sdk.apiKeys.create({ ...KEY, subject: ACME });
    clerk.apiKeys.revoke(ids[0] ?? '');
    clerk.apiKeys.expire(ids[1] ?? '');
    const listed = async (query: object) => {
      const { data, totalCount } = await sdk.apiKeys.list({ subject: ADA, ...query });
      return [data.map(({ id }) => id), totalCount];
    };
    expect(await listed({})).toEqual([ids.slice(2), 2]);
    expect(await listed({ includeInvalid: true })).toEqual([ids, 4]);
    expect(await listed({ includeInvalid: true, limit: 2, offset: 1 })).toEqual([ids.slice(1, 3), 4]);
    expect((await sdk.apiKeys.list({ subject: ACME })).totalCount).toBe(1);
  });

  it('is revoked once, at a later time, and still verified, which the answer says', async () => {
    const { sdk } = await aMachineClerk();
    const { id, secret = '', updatedAt } = await sdk.apiKeys.create(KEY);
    const revoked = await sdk.apiKeys.revoke({ apiKeyId: id, revocationReason: 'Leaked' });
    expect(revoked).toMatchObject({ id, revoked: true, revocationReason: 'Leaked', expired: false });
    expect(revoked.updatedAt).toBeGreaterThan(updatedAt);
    expect(await sdk.apiKeys.revoke({ apiKeyId: id })).toEqual(revoked);
    expect(await sdk.apiKeys.verify(secret)).toEqual(revoked);
  });

  it('is verified after its time, which the answer says', async () => {
    const { sdk, clerk } = await aMachineClerk();
    const { id, secret = '' } = await sdk.apiKeys.create({ ...KEY, secondsUntilExpiration: 60 });
    clerk.apiKeys.expire(id);
    expect(await sdk.apiKeys.verify(secret)).toMatchObject({ id, expired: true, revoked: false });
  });

  it('is gone when it was deleted', async () => {
    const { sdk } = await aMachineClerk();
    const { id, secret = '' } = await sdk.apiKeys.create(KEY);
    expect(await sdk.apiKeys.delete(id)).toMatchObject({ id, deleted: true });
    await expect(sdk.apiKeys.get(id)).rejects.toMatchObject({ status: 404 });
    await expect(sdk.apiKeys.verify(secret)).rejects.toMatchObject({ status: 404 });
    expect((await sdk.apiKeys.list({ subject: ADA, includeInvalid: true })).totalCount).toBe(0);
  });

  it.each([
    ['user', ADA, `/v1/users/${ADA}`],
    ['organization', ACME, '/v1/organizations/acme'],
  ])('is revoked when its %s is deleted, and that of nobody else', async (_what, subject, path) => {
    const { clerk, asServer } = await aMachineClerk();
    for (const owner of [subject, subject, GRACE]) clerk.apiKeys.create({ ...KEY, subject: owner });
    await asServer(path, { method: 'DELETE' });
    expect(listOf(clerk, subject).map(({ revoked }) => revoked)).toEqual([true, true]);
    expect(listOf(clerk, GRACE)).toMatchObject([{ revoked: false }]);
  });

  it.each<[what: string, facts: object, status: number]>([
    ['an unknown user', { subject: 'user_x' }, 404],
    ['an unknown organization', { subject: 'org_x' }, 404],
    ['an organization by its slug', { subject: 'acme' }, 422],
    ['nobody', { subject: null }, 422],
    ['a name of two letters', { name: 'ab' }, 422],
    ['a name that begins with a space', { name: ' abc' }, 422],
    ['one scope', { scopes: 'read' }, 422],
    ['scopes that are no texts', { scopes: [1] }, 422],
    ['no time', { seconds_until_expiration: 0 }, 422],
    ['a long description', { description: 'x'.repeat(256) }, 422],
    ['claims that are none', { claims: 'x' }, 422],
    ['what Clerk does not know', { secret: 'ak_mine' }, 422],
  ])("is refused with %s, in Clerk's form", async (_what, facts, status) => {
    const { asServer, clerk } = await aMachineClerk();
    const answer = await asServer('/v1/api_keys', POST({ ...KEY, ...facts }));
    expect([answer.status, answer.body]).toMatchObject([status, { errors: [{ code: expect.any(String) }] }]);
    expect(clerk.apiKeys.list(() => true)).toEqual([]);
  });

  it('is made for a machine too', async () => {
    const { sdk, clerk } = await aMachineClerk();
    expect(await sdk.apiKeys.create({ ...KEY, subject: clerk.machineId })).toMatchObject({ subject: clerk.machineId });
  });

  it.each([
    ['', 422],
    [`subject=${ADA}&include_invalid=1`, 422],
    [`subject=${ADA}&limit=101`, 422],
    [`subject=${ADA}&limit=0`, 422],
    [`subject=${ADA}&offset=-1`, 422],
    [`subject=${ADA}&query=x`, 501],
    [`subject=${ADA}&order_by=created_at`, 501],
    [`subject=${ADA}&limit=100&include_invalid=false`, 200],
  ])('is listed for %j with %i', async (query, status) => {
    const { asServer } = await aMachineClerk();
    expect((await asServer(`/v1/api_keys?${query}`)).status).toBe(status);
  });

  it('is made by who holds the secret of the page, and by nobody else', async () => {
    const { asPage, asNobody, asServer, sdk } = await aMachineClerk();
    const asked = { method: 'POST', body: `subject=${KEY.subject}&scopes=a,b:c` };
    const { status, body } = await asPage('/local/api-keys', asked);
    expect([status, body.text]).toEqual([200, expect.stringMatching(/^ak_[A-Za-z0-9]{32,}$/)]);
    const facts = { subject: KEY.subject, name: 'A script', scopes: ['a', 'b:c'], expiration: null };
    expect(await sdk.apiKeys.verify(String(body.text))).toMatchObject(facts);
    for (const refused of [asNobody, asServer]) expect((await refused('/local/api-keys', asked)).status).toBe(403);
    expect((await asPage('/local/api-keys', { ...asked, body: 'subject=user_x' })).status).toBe(404);
  });
});

describe('an M2M token of the local Clerk', () => {
  it('is made by the machine, verified with either key, and revoked', async () => {
    const { sdk, clerk, asServer } = await aMachineClerk();
    const made = await sdk.m2m.createToken({ claims: { job: 'a' }, secondsUntilExpiration: 60 });
    expect(made).toMatchObject({
      id: expect.stringMatching(/^mt_[0-9a-f]{32}$/),
      token: expect.stringMatching(/^mt_[A-Za-z0-9]{32,}$/),
      subject: clerk.machineId,
      scopes: [clerk.machineId],
      claims: { job: 'a' },
      revoked: false,
      expired: false,
    });
    const { token = '', ...shown } = made;
    expect(await sdk.m2m.verify({ token })).toEqual({ ...shown, token: undefined });
    expect((await asServer('/m2m_tokens/verify', POST({ token }))).body).toMatchObject({ id: made.id });
    const revoked = await sdk.m2m.revokeToken({ m2mTokenId: made.id, revocationReason: 'Leaked' });
    expect(revoked).toMatchObject({ id: made.id, revoked: true, revocationReason: 'Leaked' });
    expect(await sdk.m2m.verify({ token })).toEqual(revoked);
    clerk.m2mTokens.expire(made.id);
    expect(await sdk.m2m.verify({ token })).toMatchObject({ revoked: true, expired: true });
  });

  it('lives an hour unless said otherwise', async () => {
    const { sdk } = await aMachineClerk();
    const { expiration } = await sdk.m2m.createToken();
    expect(Math.abs(Number(expiration) - Date.now() - 3_600_000)).toBeLessThan(PATIENCE_MS);
  });

  it('is seen by the machine that it is meant for, and revoked by the machine that made it', async () => {
    const { clerk, asServer, asMachine } = await aMachineClerk();
    const theirs = clerk.m2mTokens.create({ scopes: [OTHER_MACHINE] });
    const toUs = clerk.m2mTokens.create({ subject: OTHER_MACHINE });
    const statuses = async (path: string, body: object) =>
      Promise.all([asServer, asMachine].map(async (ask) => (await ask(path, POST(body))).status));
    expect(await statuses('/v1/m2m_tokens/verify', { token: theirs.token })).toEqual([200, 404]);
    expect(await statuses('/v1/m2m_tokens/verify', { token: toUs.token })).toEqual([200, 200]);
    expect(await statuses(`/v1/m2m_tokens/${toUs.id}/revoke`, {})).toEqual([200, 404]);
    expect(await statuses(`/v1/m2m_tokens/${theirs.id}/revoke`, {})).toEqual([200, 200]);
  });

  it('is a JWT for who asks for one, which is verified by its signature and not kept', async () => {
    const { sdk, clerk } = await aMachineClerk();
    const claims = { job: 'a', sub: 'mch_forged' };
    const { id, token = '' } = await sdk.m2m.createToken({ tokenFormat: 'jwt', claims, secondsUntilExpiration: 60 });
    const { machineId, options } = clerk;
    const [iat, exp] = [claimsOf(token).iat, claimsOf(token).exp];
    expect(claimsOf(token)).toEqual({
      iss: options.origin,
      sub: machineId,
      aud: [machineId],
      jti: id,
      iat: expect.any(Number),
      nbf: iat - 10,
      exp: expect.any(Number),
      scopes: machineId,
      job: 'a',
    });
    expect(exp - iat).toBe(60);
    expect(await sdk.m2m.verify({ token })).toMatchObject({ id, subject: machineId, scopes: [machineId] });
    await expect(sdk.m2m.revokeToken({ m2mTokenId: id })).rejects.toMatchObject({ status: 404 });
  });

  it('is not made with the secret key of the instance, nor in another format', async () => {
    const { asServer, asMachine } = await aMachineClerk();
    expect((await asServer('/v1/m2m_tokens', POST({}))).status).toBe(401);
    expect((await asMachine('/v1/m2m_tokens', POST({}))).status).toBe(201);
    expect((await asMachine('/v1/m2m_tokens', POST({ token_format: 'paseto' }))).status).toBe(422);
    expect((await asMachine('/v1/m2m_tokens', POST({ min_remaining_ttl_seconds: 1 }))).status).toBe(422);
  });
});

describe('an OAuth access token of the local Clerk', () => {
  it('is verified, with its times in seconds, and says that it is revoked or expired', async () => {
    const { sdk, clerk } = await aMachineClerk();
    const { id, token, ...made } = clerk.oauthTokens.create({
      subject: ADA,
      scopes: ['profile'],
      client_id: 'client_a',
    });
    const verified = await sdk.idPOAuthAccessToken.verify(token);
    expect(verified).toMatchObject({
      id: expect.stringMatching(/^oat_[0-9a-f]{32}$/),
      subject: ADA,
      scopes: ['profile'],
      clientId: 'client_a',
      createdAt: Math.floor(made.created_at / 1000),
      expiration: Math.floor(Number(made.expiration) / 1000),
      revoked: false,
      expired: false,
    });
    clerk.oauthTokens.revoke(id, 'By its user');
    clerk.oauthTokens.expire(id);
    expect(await sdk.idPOAuthAccessToken.verify(token)).toMatchObject({
      revoked: true,
      revocationReason: 'By its user',
      expired: true,
    });
  });
});

describe('what the SDK asks for without /v1', () => {
  const unknown = { secret: 'ak_x', token: 'mt_x', access_token: 'oat_x' };
  const verifications = ['api_keys', 'm2m_tokens', 'oauth_applications/access_tokens'];

  it.each(verifications)('is answered as with it: POST %s/verify', async (path) => {
    const { asServer } = await aClerk();
    for (const prefix of ['', '/v1']) {
      const ask = async (body: object) => (await asServer(`${prefix}/${path}/verify`, POST(body))).status;
      expect([await ask(unknown), await ask({}), await ask({ secret: 1, token: '' })]).toEqual([404, 400, 400]);
    }
  });

  it.each(verifications)('says that it does not verify a JWT, which Clerk would know: POST %s/verify', async (path) => {
    const { asServer } = await aClerk();
    const body = { secret: 'a.b.c', token: 'a.b.c', access_token: 'a.b.c' };
    expect((await asServer(`/${path}/verify`, POST(body))).status).toBe(501);
  });

  it.each(['/users', '/organizations', '/oauth_applications', '/api_keys_of_mine'])('is not %s', async (path) => {
    const { asServer } = await aClerk();
    expect((await asServer(path)).status).toBe(501);
  });

  it.each([
    ['GET', 'api_keys'],
    ['POST', 'api_keys'],
    ['GET', 'api_keys/ak_x'],
    ['DELETE', 'api_keys/ak_x'],
    ['POST', 'api_keys/ak_x/revoke'],
    ['POST', 'api_keys/verify'],
    ['POST', 'm2m_tokens'],
    ['POST', 'm2m_tokens/mt_x/revoke'],
    ['POST', 'm2m_tokens/verify'],
    ['POST', 'oauth_applications/access_tokens/verify'],
  ])('is refused with a wrong key, with it or without: %s %s', async (method, path) => {
    const { asMachine, asNobody } = await aMachineClerk();
    const refused = { status: 401, body: { errors: [{ code: 'clerk_key_invalid' }] } };
    for (const prefix of ['/', '/v1/']) {
      const headers = { authorization: 'Bearer ak_wrong' };
      expect(await asNobody(prefix + path, { method, headers })).toMatchObject(refused);
      expect(await asNobody(prefix + path, { method })).toMatchObject(refused);
      if (!path.startsWith('m2m')) expect(await asMachine(prefix + path, { method })).toMatchObject(refused);
    }
  });

  it('is not opened to the machine beyond that', async () => {
    const { asMachine } = await aMachineClerk();
    for (const path of ['/v1/users', '/v1/jwks', '/v1/m2m_tokens', '/v1/nothing'])
      expect((await asMachine(path)).status).toBe(401);
  });
});

describe('the Clerk of the tests', () => {
  /** What the SDK of a Gatehouse that belongs to this Clerk makes of a request with that token. */
  async function authOf(clerk: TestClerk, token: string, acceptsToken: TokenType, machineSecretKey?: string) {
    const { CLERK_SECRET_KEY: secretKey, CLERK_PUBLISHABLE_KEY: publishableKey } = clerk.env;
    const jwtKey = clerk.key.publicKeyPem;
    const sdk = sdkOf({ secretKey, publishableKey, machineSecretKey, jwtKey, apiUrl: clerk.origin });
    const request = new Request('http://127.0.0.1:3000/', { headers: { authorization: `Bearer ${token}` } });
    return (await sdk.authenticateRequest(request, { acceptsToken })).toAuth();
  }

  it('has API keys that authenticate, of a new user or an organization', async () => {
    const clerk = await TestClerk.start();
    const { id, subject, secret } = clerk.anApiKey({ scopes: ['projects:read'], claims: { team: 'a' } });
    expect(await authOf(clerk, secret, 'api_key')).toMatchObject({
      id,
      userId: subject,
      orgId: null,
      scopes: ['projects:read'],
      claims: { team: 'a' },
    });
    const organization = clerk.anOrganization();
    const ours = clerk.anApiKey({ subject: organization.id });
    expect(await authOf(clerk, ours.secret, 'api_key')).toMatchObject({ orgId: organization.id, userId: null });
    expect(clerk.callsTo('/api_keys/verify')).toBe(2);
  });

  it('has M2M tokens that authenticate, with the key of the machine only those that are meant for it', async () => {
    const clerk = await TestClerk.start();
    const { machineId, machineSecretKey } = clerk;
    const [ours, theirs] = [clerk.anM2MToken({ claims: { job: 'a' } }), clerk.anM2MToken({ scopes: [OTHER_MACHINE] })];
    const signedIn = { machineId, scopes: [machineId], claims: { job: 'a' } };
    expect(await authOf(clerk, ours.token, 'm2m_token')).toMatchObject({ id: ours.id, ...signedIn });
    expect(await authOf(clerk, ours.token, 'm2m_token', machineSecretKey)).toMatchObject({ id: ours.id, ...signedIn });
    expect(await authOf(clerk, theirs.token, 'm2m_token')).toMatchObject({ scopes: [OTHER_MACHINE] });
    expect(await authOf(clerk, theirs.token, 'm2m_token', machineSecretKey)).toMatchObject({ isAuthenticated: false });
  });

  it('has OAuth tokens that authenticate', async () => {
    const clerk = await TestClerk.start();
    const { id, subject, token } = clerk.anOAuthToken({ scopes: ['profile'] });
    expect(await authOf(clerk, token, 'oauth_token')).toMatchObject({ id, userId: subject, scopes: ['profile'] });
  });

  it('has JWTs of machines and applications that authenticate without a call, with claims and header laid over', async () => {
    const clerk = await TestClerk.start();
    const { machineId } = clerk;
    const [m2m, oauth] = [clerk.anM2MJwt({ job: 'a' }), clerk.anOAuthJwt({ scope: 'profile projects:read' })];
    expect(await authOf(clerk, m2m, 'm2m_token')).toMatchObject({ machineId, claims: { job: 'a' } });
    expect(await authOf(clerk, clerk.anM2MToken({ format: 'jwt' }).token, 'm2m_token')).toMatchObject({ machineId });
    expect(await authOf(clerk, oauth, 'oauth_token')).toMatchObject({
      userId: claimsOf(oauth).sub,
      clientId: claimsOf(oauth).client_id,
      scopes: ['profile', 'projects:read'],
    });
    const { kid } = clerk.key;
    expect(headerOf(m2m)).toEqual({ alg: 'RS256', typ: 'JWT', cat: 'cl_B7d4PD333AAA', kid });
    expect(headerOf(oauth)).toEqual({ alg: 'RS256', typ: 'at+jwt', kid });
    expect(clerk.directory.user(claimsOf(oauth).sub).id).toBe(claimsOf(oauth).sub);
    for (const token of [clerk.anM2MJwt({ exp: 1 }), clerk.anM2MJwt({}, { cat: 'cl_B7d4PD222AAA' })])
      expect(await authOf(clerk, token, 'm2m_token')).toMatchObject({ isAuthenticated: false });
    expect(await authOf(clerk, clerk.anOAuthJwt({ exp: 1 }), 'oauth_token')).toMatchObject({ isAuthenticated: false });
    expect(await authOf(clerk, clerk.anOAuthJwt({}, { typ: 'JWT' }), 'oauth_token')).toMatchObject({
      isAuthenticated: false,
    });
    expect(clerk.calls).toEqual([]);
  });

  it('revokes and expires its tokens, which the SDK does not mind', async () => {
    const clerk = await TestClerk.start();
    const [key, m2m, oauth] = [clerk.anApiKey(), clerk.anM2MToken(), clerk.anOAuthToken()];
    expect(clerk.apiKeys.revoke(key.id)).toMatchObject({ revoked: true, expired: false });
    expect(clerk.m2mTokens.revoke(m2m.id)).toMatchObject({ revoked: true, expired: false });
    expect(clerk.oauthTokens.expire(oauth.id)).toMatchObject({ revoked: false, expired: true });
    expect(await authOf(clerk, key.secret, 'api_key')).toMatchObject({ isAuthenticated: true });
  });

  it('is busy, or answers with the statuses that it was given', async () => {
    const clerk = await TestClerk.start();
    const { CLERK_SECRET_KEY: secretKey } = clerk.env;
    const { apiKeys } = sdkOf({ secretKey, apiUrl: clerk.origin });
    const { id, secret } = clerk.anApiKey();
    clerk.behaviour = 'busy';
    const busy = { status: 429, retryAfter: 7, errors: [{ code: 'too_many_requests' }] };
    for (let i = 0; i < 2; i += 1) await expect(apiKeys.verify(secret)).rejects.toMatchObject(busy);
    clerk.behaviour = 'answers';
    clerk.statuses = [429, 503];
    await expect(apiKeys.verify(secret)).rejects.toMatchObject(busy);
    await expect(apiKeys.verify(secret)).rejects.toMatchObject({ status: 503, clerkError: true });
    expect(await apiKeys.verify(secret)).toMatchObject({ id });
    expect(clerk.callsTo('/api_keys/verify')).toBe(5);
  });
});

whenPublished("the shapes of machine tokens, by Clerk's OpenAPI file in the folder CLERK_OPENAPI", () => {
  type Operation = { responses: Record<string, { content: { 'application/json': { schema: Schema } } }> };
  let paths: Record<string, Record<string, Operation>>;

  beforeAll(async () => {
    const validator = new Validator();
    await validator.validate(`${process.env.CLERK_OPENAPI}/bapi-2026-05-12.yml`);
    ({ paths } = validator.specification as unknown as { paths: typeof paths });
  });

  /** In the words that `complaints` knows. */
  function schemaOf(path: string, method: string, status: number): Schema {
    const schema = paths[path]?.[method]?.responses[status]?.content['application/json'].schema;
    const words = JSON.stringify(schema).replaceAll('"type":"number"', '"type":"integer"');
    return JSON.parse(words.replaceAll('"anyOf":', '"oneOf":')) as Schema;
  }

  it.each<[method: string, path: string, status: number, body?: object]>([
    ['get', '/api_keys', 200],
    ['post', '/api_keys', 200, KEY],
    ['get', '/api_keys/{apiKeyID}', 200],
    ['delete', '/api_keys/{apiKeyID}', 200],
    ['post', '/api_keys/{apiKeyID}/revoke', 200, { revocation_reason: 'Leaked' }],
    ['post', '/api_keys/verify', 200],
    ['post', '/api_keys/verify', 400, {}],
    ['post', '/api_keys/verify', 404, { secret: 'ak_x' }],
    ['post', '/m2m_tokens', 201, { claims: { job: 'a' } }],
    ['post', '/m2m_tokens', 201, { token_format: 'jwt' }],
    ['post', '/m2m_tokens/{m2m_token_id}/revoke', 200, {}],
    ['post', '/m2m_tokens/verify', 200],
    ['post', '/m2m_tokens/verify', 404, { token: 'mt_x' }],
    ['post', '/oauth_applications/access_tokens/verify', 200],
    ['post', '/oauth_applications/access_tokens/verify', 404, { access_token: 'oat_x' }],
  ])('are those of %s %s with %i', async (method, path, status, ...[body]) => {
    const { clerk, asServer, asMachine } = await aMachineClerk();
    const [key, m2m] = [clerk.apiKeys.create({ ...KEY, seconds_until_expiration: 60 }), clerk.m2mTokens.create({})];
    const oauth = clerk.oauthTokens.create({ subject: ADA });
    const known = { secret: key.secret, token: m2m.token, access_token: oauth.token };
    const asked = path.replace('{apiKeyID}', key.id).replace('{m2m_token_id}', m2m.id);
    const ask = path === '/m2m_tokens' ? asMachine : asServer;
    const answer = await ask(`/v1${asked}?subject=${ADA}`, method === 'post' ? POST(body ?? known) : { method });
    expect(answer.status).toBe(status);
    expect(complaints({}, schemaOf(path, method, status), answer.body)).toEqual([]);
    expect(complaints({}, schemaOf(path, method, status), { other: 1 })).not.toEqual([]);
  });
});
