import { beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { Accepts, RequireScope } from '../src/auth/index.ts';
import { readSettings } from '../src/config/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import type { TestDatabase } from './support/database.ts';
import { hasRedis, RedisServer } from './support/redis.ts';

@Accepts('m2m_token', 'oauth_token', 'api_key')
@Controller('meant')
class MeantController {
  @Get()
  any() {
    return {};
  }

  @Get('billing')
  @RequireScope('mch_billing')
  billing() {
    return {};
  }

  @Get('reader')
  @RequireScope('read')
  reader() {
    return {};
  }
}

let clerk: TestClerk;
let database: TestDatabase;

beforeAll(async () => {
  clerk = await TestClerk.start();
  const plain = await start();
  database = plain.database;
});

const start = (env: Record<string, string> = {}): Promise<TestApp> =>
  startApp(clerk, env, database, (all) => {
    @Module({ imports: modulesOf(readSettings(all)), providers: requestChain, controllers: [MeantController] })
    class MeantModule {}
    return MeantModule;
  });

async function seen(app: TestApp, token: string, path = '/meant') {
  const { status, body } = await app.as(token, path);
  return [status, body.code];
}

const OK = [200, undefined];
const INVALID = [401, 'token_invalid'];
const OUR_ID = 'mch_billing';
const OUR_URL = 'https://api.example.com';

/** Claims of a JWT for these machines. */
const meantFor = (...machines: string[]) => ({ aud: machines, scopes: machines.join(' ') });

describe('an M2M JWT', () => {
  describe('where CLERK_MACHINE_ID says who we are', () => {
    let app: TestApp;
    beforeAll(async () => {
      app = await start({ CLERK_MACHINE_ID: OUR_ID });
    });

    it.each<[string, Record<string, unknown>]>([
      ['for us', meantFor(OUR_ID)],
      ['for us among others', meantFor('mch_other', OUR_ID)],
      ['whose aud is a text', { aud: OUR_ID, scopes: OUR_ID }],
      ['that says so by its scopes alone', { aud: undefined, scopes: `mch_other ${OUR_ID}` }],
      ['that says so by its aud alone', { aud: [OUR_ID], scopes: undefined }],
    ])('is taken: %s', async (_what, claims) => {
      expect(await seen(app, clerk.anM2MJwt(claims))).toEqual(OK);
    });

    it.each<[string, Record<string, unknown>]>([
      ['for another machine', meantFor('mch_somebody')],
      ['for an id that ours begins', meantFor(`${OUR_ID}x`)],
      ['for another machine, as a text', { aud: 'mch_somebody', scopes: OUR_ID }],
      ['for a text that holds our id', { aud: `mch_somebody ${OUR_ID}`, scopes: OUR_ID }],
      ['for another by aud, for us by its scopes', { aud: ['mch_somebody'], scopes: OUR_ID }],
      ['for nobody', { aud: [], scopes: '' }],
      ['that does not say', { aud: undefined, scopes: undefined }],
      ['for a number', { aud: 5, scopes: OUR_ID }],
      ['for an object', { aud: { [OUR_ID]: true }, scopes: OUR_ID }],
      ['for a list in a list', { aud: [[OUR_ID]], scopes: OUR_ID }],
    ])('is refused: %s', async (_what, claims) => {
      const token = clerk.anM2MJwt(claims);
      for (let i = 0; i < 2; i++) expect(await seen(app, token)).toEqual(INVALID);
    });
  });

  it('is refused where we are a machine, and do not know which, unless the route names the machine', async () => {
    const app = await start({ CLERK_MACHINE_SECRET_KEY: clerk.machineSecretKey });
    const [ours, theirs] = [meantFor(OUR_ID), meantFor('mch_somebody')].map((claims) => clerk.anM2MJwt(claims));
    for (let i = 0; i < 2; i++) {
      expect(await seen(app, ours ?? '', '/meant/billing')).toEqual(OK);
      expect(await seen(app, ours ?? '')).toEqual(INVALID);
      expect(await seen(app, theirs ?? '')).toEqual(INVALID);
      expect(await seen(app, theirs ?? '', '/meant/billing')).toEqual(INVALID);
    }
    const split = clerk.anM2MJwt({ aud: ['mch_somebody'], scopes: `${OUR_ID} read` });
    for (const path of ['/meant', '/meant/billing', '/meant/reader'])
      expect(await seen(app, split, path)).toEqual(INVALID);
    const opaque = clerk.anM2MToken({ scopes: [clerk.machineId] });
    expect(await seen(app, opaque.token)).toEqual(OK);
  });

  it('of any machine, or of none, is taken where we are none, and of what is no machine refused', async () => {
    const app = await start();
    expect(await seen(app, clerk.anM2MJwt(meantFor('mch_somebody')))).toEqual(OK);
    for (const claims of [
      { aud: [], scopes: '' },
      { aud: undefined, scopes: undefined },
    ])
      expect(await seen(app, clerk.anM2MJwt(claims))).toEqual(OK);
    expect(await seen(app, clerk.anM2MJwt({ aud: 'https://other.example' }))).toEqual(INVALID);
    expect(await seen(app, clerk.anM2MJwt({ aud: {} }))).toEqual(INVALID);
  });
});

describe('an OAuth token', () => {
  const oauth = (aud?: unknown) => clerk.anOAuthJwt({ aud });
  const elsewhere = [
    'https://other.example',
    ['https://other.example'],
    [],
    '',
    5,
    {},
    null,
    `${OUR_URL}.evil.example`,
  ];

  it.each<[string, Record<string, string>, good: unknown[], bad: unknown[]]>([
    [
      'PUBLIC_URL',
      { PUBLIC_URL: OUR_URL },
      [undefined, OUR_URL, `${OUR_URL}/`, [OUR_URL], ['https://other.example', `${OUR_URL}/`]],
      [...elsewhere, `${OUR_URL}/mcp`, `${OUR_URL}//`, 'https://API.example.com', 'http://api.example.com'],
    ],
    [
      'PUBLIC_URL with a slash at its end',
      { PUBLIC_URL: `${OUR_URL}/` },
      [undefined, OUR_URL, `${OUR_URL}/`],
      elsewhere,
    ],
    [
      'OAUTH_AUDIENCE beside PUBLIC_URL',
      { PUBLIC_URL: OUR_URL, OAUTH_AUDIENCE: 'https://one.example/mcp, urn:two' },
      [undefined, 'https://one.example/mcp', 'urn:two', ['urn:two']],
      [...elsewhere, OUR_URL, 'https://one.example/mcp/', 'https://one.example'],
    ],
    ['neither of them, in production', { ...production(), PUBLIC_URL: '' }, [undefined], [...elsewhere, OUR_URL]],
  ])('names us by %s, or nobody', async (_what, env, good, bad) => {
    const app = await start({ ...(env.NODE_ENV && clerk.productionEnv), ...env });
    for (const aud of good) expect([aud, ...(await seen(app, oauth(aud)))]).toEqual([aud, ...OK]);
    for (const aud of bad) expect([aud, ...(await seen(app, oauth(aud)))]).toEqual([aud, ...INVALID]);
  });

  it('must name us where OAUTH_AUDIENCE_REQUIRED is on, opaque ones too', async () => {
    const app = await start({ PUBLIC_URL: OUR_URL, OAUTH_AUDIENCE_REQUIRED: 'on' });
    expect(await seen(app, oauth(OUR_URL))).toEqual(OK);
    for (const token of [oauth(), clerk.anOAuthToken().token]) expect(await seen(app, token)).toEqual(INVALID);
    expect(await seen(app, clerk.anApiKey().secret)).toEqual(OK);
  });

  it('that is opaque and names another is refused, again and again', async () => {
    const app = await start({ PUBLIC_URL: OUR_URL });
    const [ours, theirs] = [[OUR_URL], ['https://other.example']].map((aud) => clerk.anOAuthToken({ aud }).token);
    for (let i = 0; i < 2; i++) {
      expect(await seen(app, ours ?? '')).toEqual(OK);
      expect(await seen(app, theirs ?? '')).toEqual(INVALID);
    }
  });
});

(hasRedis ? describe : describe.skip)('an OAuth token over Redis', () => {
  it('that a service with another audience took is none for us', async () => {
    const redis = await RedisServer.start();
    const [one, two] = [
      await start({ REDIS_URL: redis.url, PUBLIC_URL: 'https://other.example' }),
      await start({ REDIS_URL: redis.url, PUBLIC_URL: OUR_URL }),
    ];
    const { token } = clerk.anOAuthToken({ aud: ['https://other.example'] });
    expect(await seen(one, token)).toEqual(OK);
    expect(await seen(two, token)).toEqual(INVALID);
  });
});

function production() {
  return { NODE_ENV: 'production' };
}
