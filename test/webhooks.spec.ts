import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Replay } from '../src/webhooks/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { createDatabase } from './support/database.ts';

const SECOND_SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk, {
    CLERK_WEBHOOK_SIGNING_SECRET: `${clerk.webhookSecret},${SECOND_SECRET}`,
    CLERK_INSTANCE_ID: clerk.instanceId,
  });
});

const rowOf = async (id: string) =>
  (await app.database.query<Record<string, unknown>>('select * from inbox where id = $1', [id]))[0];
const userRow = async (id: string) =>
  (await app.database.query<Record<string, unknown>>('select * from users where clerk_id = $1', [id]))[0];
const rows = async () => (await app.database.query<{ n: string }>('select count(*) as n from inbox'))[0]?.n;
const anUpdate = (facts = {}) => clerk.anEvent('user.updated', { ...clerk.aUser(), ...facts });
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);

describe('a delivery', () => {
  it.each([['svix-id'], ['webhook-id']])(
    'with a good signature in the headers of %s brings our copy in line',
    async (header) => {
      const user = clerk.aUser({ first_name: 'Signed' });
      const event = clerk.anEvent('user.created', user);
      const id = `msg_${header.replaceAll('-', '')}`;
      const headers = header === 'webhook-id' ? await underOtherNames(event, id) : {};
      expect((await clerk.deliver(app.url, event, { id, headers })).status).toBe(204);
      expect(await userRow(user.id)).toMatchObject({ name: 'Signed Example', clerk_event_id: id });
      expect(await rowOf(id)).toMatchObject({
        type: 'user.created',
        status: 'processed',
        object_id: user.id,
        user_id: user.id,
        deliveries: 1,
      });
    },
  );

  it('signed with the other configured secret is taken', async () => {
    expect((await clerk.deliver(app.url, anUpdate(), { secret: SECOND_SECRET })).status).toBe(204);
  });

  it.each<[string, Parameters<TestClerk['deliver']>[2]]>([
    ['signed with another secret', { secret: `whsec_${Buffer.alloc(24, 9).toString('base64')}` }],
    ['six minutes old', { at: minutesAgo(6) }],
    ['six minutes ahead', { at: minutesAgo(-6) }],
    ['without its id', { headers: { 'svix-id': undefined } }],
    ['without its time', { headers: { 'svix-timestamp': undefined } }],
    ['without its signature', { headers: { 'svix-signature': undefined } }],
    ['with a time that is none', { headers: { 'svix-timestamp': '1e9' } }],
    ['with a time that goes on as text', { headers: { 'svix-timestamp': `${Math.floor(Date.now() / 1000)}x` } }],
    ['with an id that could be read in two ways', { id: 'msg_1.2' }],
    ['with another id than the signed one', { headers: { 'svix-id': 'msg_other' } }],
    ['with a signature of another version', { headers: { 'svix-signature': 'v1a,AAAA' } }],
    ['with a signature that is none', { headers: { 'svix-signature': 'v1' } }],
  ])('is refused, and nothing is written: %s', async (_what, facts) => {
    const before = await rows();
    const { status, body, headers } = await clerk.deliver(app.url, anUpdate(), facts);
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'webhook_signature_invalid' });
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(await rows()).toBe(before);
  });

  it('whose bytes changed after the signature is refused', async () => {
    const text = JSON.stringify(anUpdate());
    const answer = await clerk.deliver(app.url, text, {
      headers: await underOtherNames(text.replace('Ada', 'Eve'), 'msg_x'),
    });
    expect([answer.status, answer.body.code]).toEqual([400, 'webhook_signature_invalid']);
  });

  it.each<[string, () => string | Buffer]>([
    ['not JSON', () => '{"type":'],
    ['empty', () => ''],
    ['no object', () => '"user.updated"'],
    ['without a type', () => JSON.stringify({ data: {} })],
    ['without data', () => JSON.stringify({ type: 'user.updated' })],
    ['a type with a line break', () => JSON.stringify({ type: 'user\nupdated', data: {} })],
    [
      'a deletion without an id, that says of nothing that it is deleted',
      () => JSON.stringify(clerk.anEvent('user.deleted', { object: 'user' })),
    ],
    ['an id that is no text', () => JSON.stringify(clerk.anEvent('user.updated', { ...clerk.aUser(), id: 5 }))],
    ['an id with a NUL', () => JSON.stringify(clerk.anEvent('user.deleted', { id: 'user_\0' }))],
    [
      'a time beyond time',
      () => JSON.stringify(clerk.anEvent('user.updated', { ...clerk.aUser(), updated_at: 1e300 })),
    ],
  ])(
    'with a good signature over what is no event is invalid input, and nothing is written: %s',
    async (_what, bodyOf) => {
      const before = await rows();
      const { status, body } = await clerk.deliver(app.url, bodyOf());
      expect([status, body.code]).toEqual([400, 'invalid_input']);
      expect(JSON.stringify(body)).not.toContain('user_\\u0000');
      expect(await rows()).toBe(before);
    },
  );

  it('that is not UTF-8 is refused', async () => {
    const { status, body } = await clerk.deliver(app.url, Buffer.from([0x7b, 0xff, 0x7d]));
    expect([status, body.code]).toEqual([400, 'webhook_signature_invalid']);
  });

  it('of more than a megabyte is too large, before its signature is looked at', async () => {
    const { status, body } = await clerk.deliver(app.url, 'x'.repeat(1_048_577), {
      headers: { 'svix-signature': 'v1,AAAA' },
    });
    expect([status, body.code]).toEqual([413, 'payload_too_large']);
    const large = clerk.anEvent('user.updated', { ...clerk.aUser(), public_metadata: { text: 'x'.repeat(900_000) } });
    expect((await clerk.deliver(app.url, large)).status).toBe(204);
  });

  it('that is encoded is not taken', async () => {
    const { status, body } = await clerk.deliver(app.url, anUpdate(), { headers: { 'content-encoding': 'gzip' } });
    expect([status, body.code]).toEqual([415, 'unsupported_media_type']);
  });

  it('is never limited while it is good, and refused with 429 when a flood of failures comes from its address', async () => {
    const own = await startApp(clerk);
    const wrong = () => clerk.deliver(own.url, anUpdate(), { secret: SECOND_SECRET });
    const statuses: number[] = [];
    for (let i = 0; i < 30; i++) statuses.push((await wrong()).status);
    expect(new Set(statuses.slice(0, 20))).toEqual(new Set([400]));
    const limited = await wrong();
    expect([limited.status, limited.body.code, Number(limited.headers['retry-after']) > 0]).toEqual([
      429,
      'rate_limited',
      true,
    ]);
    expect((await clerk.deliver(own.url, anUpdate())).status).toBe(204);
  });

  it('with a wrong signature counts for the network that it comes from', async () => {
    const own = await startApp(clerk, { TRUST_PROXY: '1' });
    const wrongFrom = async (address: string) => {
      const headers = { 'x-forwarded-for': address };
      return (await clerk.deliver(own.url, anUpdate(), { secret: SECOND_SECRET, headers })).status;
    };
    for (let i = 0; i < 20; i++) expect(await wrongFrom(`2001:db8:7:1::${i.toString(16)}`)).toBe(400);
    expect(await wrongFrom('2001:DB8:0007:0001:ffff::1')).toBe(429);
    expect(await wrongFrom('2001:db8:7:2::1')).toBe(400);
  });

  it('cannot be verified without a secret: 503, so that the sender repeats', async () => {
    const own = await startApp(clerk, { CLERK_WEBHOOK_SIGNING_SECRET: '' });
    const { status, body } = await clerk.deliver(own.url, anUpdate());
    expect([status, body.code]).toEqual([503, 'unavailable']);
  });

  it('gets 503 while the database is away, and is taken when it is back', async () => {
    const own = await startApp(clerk);
    const event = anUpdate();
    await own.database.refuse(true);
    const { status, body, headers } = await clerk.deliver(own.url, event, { id: 'msg_away' });
    expect([status, body.code, Number(headers['retry-after']) > 0]).toEqual([503, 'unavailable', true]);
    await own.database.refuse(false);
    expect((await clerk.deliver(own.url, event, { id: 'msg_away' })).status).toBe(204);
  });
});

/** The signature of these very bytes, in Standard Webhooks' own headers. */
async function underOtherNames(body: object | string, id: string): Promise<Record<string, string | undefined>> {
  const { Webhook } = await import('svix');
  const at = new Date();
  const signature = new Webhook(clerk.webhookSecret).sign(
    id,
    at,
    typeof body === 'string' ? body : JSON.stringify(body),
  );
  return {
    'svix-id': undefined,
    'svix-timestamp': undefined,
    'svix-signature': undefined,
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': signature,
  };
}

describe('the inbox', () => {
  it('keeps one row for an event, and counts its deliveries', async () => {
    const event = anUpdate();
    for (let i = 0; i < 3; i++) expect((await clerk.deliver(app.url, event, { id: 'msg_thrice' })).status).toBe(204);
    expect(await rowOf('msg_thrice')).toMatchObject({ deliveries: 3, status: 'processed' });
  });

  it('keeps what nobody asked for', async () => {
    const data = { id: 'role_1', updated_at: 1_700_000_000_000 };
    expect((await clerk.deliver(app.url, clerk.anEvent('role.created', data), { id: 'msg_role' })).status).toBe(204);
    expect((await clerk.deliver(app.url, clerk.anEvent('surprise.from.clerk', {}), { id: 'msg_new' })).status).toBe(
      204,
    );
    expect(await rowOf('msg_role')).toMatchObject({
      status: 'ignored',
      object_id: 'role_1',
      event_at: '1700000000000',
    });
    expect(await rowOf('msg_new')).toMatchObject({ status: 'ignored', object_id: null });
  });

  it.each(['email.created', 'sms.created'])(
    'keeps of %s the envelope and whom it is about, never its content',
    async (type) => {
      const id = `msg_${type.split('.')[0]}`;
      const data = { id: 'ema_1', user_id: 'user_mail', body: 'code 424242', data: { otp_code: '424242' } };
      await clerk.deliver(app.url, clerk.anEvent(type, data), { id });
      const row = await rowOf(id);
      expect(row).toMatchObject({ user_id: 'user_mail', object_id: 'ema_1', status: 'ignored' });
      expect(JSON.stringify(row)).not.toContain('424242');
    },
  );

  it('keeps no address of an invitation: it holds a ticket', async () => {
    const data = {
      id: 'orginv_1',
      organization_id: 'org_1',
      email_address: 'eve@example.com',
      role: 'org:member',
      url: 'https://x/?__clerk_ticket=secret',
      nested: [{ url: 'secret' }],
    };
    await clerk.deliver(app.url, clerk.anEvent('organizationInvitation.created', data), { id: 'msg_invited' });
    const row = await rowOf('msg_invited');
    expect(row).toMatchObject({ tenant_id: 'org_1', payload: { data: { id: 'orginv_1' } } });
    expect(JSON.stringify(row)).not.toContain('secret');
  });

  it('keeps the event with characters that PostgreSQL cannot hold, and the rest of its texts', async () => {
    const user = clerk.aUser({ first_name: 'a\0b', last_name: '\ud800' });
    expect((await clerk.deliver(app.url, clerk.anEvent('user.updated', user), { id: 'msg_nul' })).status).toBe(204);
    expect(await rowOf('msg_nul')).toMatchObject({ status: 'processed' });
    expect(await userRow(user.id)).toMatchObject({ name: 'ab' });
  });

  it('loses no ban and no sign-out to what is malformed elsewhere in it', async () => {
    const user = clerk.aUser({ banned: true, first_name: 5 as never, email_addresses: [{}, { id: 7 }] as never });
    expect((await clerk.deliver(app.url, clerk.anEvent('user.updated', user))).status).toBe(204);
    expect(await userRow(user.id)).toMatchObject({ banned_at: expect.any(Date), email: null, name: 'Example' });
    const session = { id: 'sess_malformed', user_id: 5, user: { id: 'user_x', banned: 'yes' }, updated_at: 'now' };
    expect((await clerk.deliver(app.url, clerk.anEvent('session.revoked', session))).status).toBe(204);
    expect(await app.database.query("select kind from revocations where clerk_id = 'sess_malformed'")).toHaveLength(1);
  });

  it('takes a time in seconds for what it is', async () => {
    const user = clerk.aUser();
    await clerk.deliver(app.url, clerk.anEvent('user.updated', { ...user, updated_at: 1_750_000_000 }));
    expect(await userRow(user.id)).toMatchObject({ clerk_updated_at: '1750000000000' });
  });

  it.each<[string, object, number | undefined, string]>([
    ['of the object', { updated_at: 1_750_000_000 }, undefined, '1750000000000'],
    ['of the event', {}, 1_750_000_000, '1750000000000'],
    ['of the object, before that of the event', { updated_at: 1_750_000_000_123 }, 1_760_000_000, '1750000000123'],
  ])('keeps the time %s in milliseconds', async (what, data, timestamp, time) => {
    const id = `msg_time${what.length}`;
    await clerk.deliver(app.url, clerk.anEvent('role.created', data, { timestamp }), { id });
    expect(await rowOf(id)).toMatchObject({ event_at: time });
  });

  it.each([
    ['takes a time that is four minutes ahead for what it is', 4, false],
    ['takes a time that is an hour ahead for that of the receipt', 60, true],
  ])('%s', async (_what, minutes, isReceipt) => {
    const id = `msg_ahead${minutes}`;
    const ahead = minutesAgo(-minutes).getTime();
    await clerk.deliver(app.url, clerk.anEvent('role.created', { updated_at: ahead }), { id });
    const { event_at: at, received_at: receivedAt } = (await rowOf(id)) ?? {};
    expect(Number(at)).toBe(isReceipt ? (receivedAt as Date).getTime() : ahead);
  });
});

describe('the events that a replay goes through', () => {
  const MANY = 2500;

  /** Many at the same time, and those times less than a millisecond apart. */
  const aDatabaseOf = async (status: string) => {
    const own = await startApp(clerk);
    await own.database.query(
      `insert into inbox (id, type, status, event_at, payload, received_at)
       select 'msg_' || md5(n::text), 'role.created', $1, 0, '{}',
              timestamptz '2026-01-01' + n / 700 * interval '1 microsecond'
       from generate_series(1, ${MANY}) as n`,
      [status],
    );
    return own;
  };

  it('are those of before it, each once, oldest first, whatever becomes of them meanwhile', async () => {
    const { app: own, database } = await aDatabaseOf('failed');
    const expected = await database.query<{ id: string }>('select id from inbox order by received_at, id');
    const seen: string[] = [];
    for await (const id of own.get(Replay).ids({ status: 'failed' })) {
      seen.push(id);
      // all so far are dealt with, some anew without success, and a new one fails
      if (seen.length % 500 !== 0) continue;
      await database.query("update inbox set status = 'processed' where id = any($1)", [seen.slice(0, -100)]);
      await database.query(
        "insert into inbox (id, type, status, event_at, payload, received_at) values ($1, '', 'failed', 0, '{}', now())",
        [`msg_new${seen.length}`],
      );
    }
    expect(seen).toEqual(expected.map(({ id }) => id));
  });

  it('are those that fit all of what is asked', async () => {
    const { app: own, database } = await aDatabaseOf('ignored');
    await database.query("update inbox set status = 'failed', type = 'role.updated' where id = $1", [idOf(1)]);
    await database.query("update inbox set status = 'failed' where id = any($1)", [[idOf(2), idOf(MANY)]]);
    const idsOf = async (filter: object) => {
      const ids: string[] = [];
      for await (const id of own.get(Replay).ids(filter)) ids.push(id);
      return ids;
    };
    expect(await idsOf({ status: 'failed', type: 'role.created' })).toEqual([idOf(2), idOf(MANY)]);
    expect(await idsOf({ status: 'failed', since: new Date('2026-01-02') })).toEqual([]);
    expect(await idsOf({ since: new Date('2026-01-01') })).toHaveLength(MANY);
  });
});

const idOf = (n: number) => `msg_${createHash('md5').update(String(n)).digest('hex')}`;

describe('an event of another instance', () => {
  const foreign = () => clerk.anEvent('user.updated', clerk.aUser(), { instanceId: 'ins_123' });

  it('is set aside: answered, counted, shown, without effect', async () => {
    const event = foreign();
    expect((await clerk.deliver(app.url, event, { id: 'msg_foreign' })).status).toBe(204);
    expect((await clerk.deliver(app.url, event, { id: 'msg_foreign' })).status).toBe(204);
    expect(await rowOf('msg_foreign')).toMatchObject({ status: 'quarantined', instance_id: 'ins_123' });
    expect(await userRow((event.data as { id: string }).id)).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve, 5200));
    expect((await app.call('/readyz')).body).toMatchObject({ details: { webhooks: { quarantined: 1 } } });
    expect((await app.call('/metrics')).body.text).toMatch(/^gatehouse_webhook_quarantined 1$/m);
  });

  it('is known by the instance that the API names, which is remembered', async () => {
    const database = await createDatabase();
    const asked = await startApp(clerk, {}, database);
    while (!(await database.query('select from instance')).length)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await database.query('select clerk_id from instance')).toEqual([{ clerk_id: clerk.instanceId }]);
    await clerk.deliver(asked.url, foreign(), { id: 'msg_a' });
    const calls = clerk.callsTo('/v1/instance');
    const again = await startApp(clerk, {}, database);
    await clerk.deliver(again.url, foreign(), { id: 'msg_b' });
    expect(await database.query('select distinct status from inbox')).toEqual([{ status: 'quarantined' }]);
    expect(clerk.callsTo('/v1/instance')).toBe(calls);
  });

  it('is taken while ours is not known, and teaches nothing', async () => {
    clerk.behaviour = 'fails';
    try {
      const own = await startApp(clerk, { CLERK_JWT_KEY: clerk.key.publicKeyPem });
      await clerk.deliver(own.url, foreign(), { id: 'msg_any' });
      await clerk.deliver(own.url, anUpdate(), { id: 'msg_ours' });
      expect(await own.database.query('select distinct status from inbox')).toEqual([{ status: 'processed' }]);
      expect(await own.database.query('select from instance')).toEqual([]);
    } finally {
      clerk.behaviour = 'answers';
    }
  });
});

describe('/metrics', () => {
  it('counts events by type and outcome, with few labels, and the time they take', async () => {
    const own = await startApp(clerk);
    await clerk.deliver(own.url, anUpdate(), { id: 'msg_m' });
    await clerk.deliver(own.url, anUpdate(), { id: 'msg_m' });
    await clerk.deliver(own.url, clerk.anEvent('made.up', {}));
    const { text } = (await own.call('/metrics')).body as { text: string };
    expect(text).toMatch(/^gatehouse_webhook_deliveries_total{type="user.updated",outcome="processed"} 1$/m);
    expect(text).toMatch(/^gatehouse_webhook_deliveries_total{type="user.updated",outcome="duplicate"} 1$/m);
    expect(text).toMatch(/^gatehouse_webhook_deliveries_total{type="other",outcome="ignored"} 1$/m);
    expect(text).toMatch(/^gatehouse_webhook_handling_seconds_count 3$/m);
    for (const name of [
      'webhook_last_event_age_seconds',
      'webhook_failed',
      'jobs_dead',
      'revocations',
      'change_log_silent_seconds',
    ])
      expect(text).toMatch(new RegExp(`^gatehouse_${name} [\\d.]+$`, 'm'));
  });

  it('shows what needs no database while that is away, and what is wrong with signed events', async () => {
    const own = await startApp(clerk);
    await clerk.deliver(own.url, clerk.anEvent('user.deleted', {}));
    await own.database.refuse(true);
    const { status, body } = await own.call('/metrics');
    expect([status, body.text]).toEqual([200, expect.stringMatching(/^gatehouse_change_log_silent_seconds [\d.]+$/m)]);
    expect(body.text).toMatch(/^gatehouse_webhook_deliveries_total{type="other",outcome="invalid"} 1$/m);
    expect(body.text).not.toMatch(/^gatehouse_webhook_failed /m);
    expect((await own.call('/healthz')).status).toBe(200);
  });

  it('asks for its token where there is one, and is not there in production without', async () => {
    const own = await startApp(clerk, { METRICS_TOKEN: 'a-token-for-metrics' });
    expect((await own.call('/metrics')).status).toBe(401);
    expect((await own.as('wrong', '/metrics')).status).toBe(401);
    expect((await own.as('a-token-for-metrics', '/metrics')).status).toBe(200);
    const production = await startApp(clerk, { NODE_ENV: 'production' });
    expect((await production.call('/metrics')).body.code).toBe('not_found');
    expect((await production.call('/readyz')).body.details).toBeUndefined();
  });

  it('and its token show what /readyz tells of the inbox; the probe itself asks for none', async () => {
    const own = await startApp(clerk, { METRICS_TOKEN: 'a-token-for-metrics' });
    for (const { status, body } of [await own.call('/readyz'), await own.as('wrong', '/readyz')])
      expect([status, Object.keys(body).toSorted()]).toEqual([200, ['checks', 'status']]);
    expect((await own.as('a-token-for-metrics', '/readyz')).body).toMatchObject({
      details: { webhooks: { failed: 0 } },
    });
  });
});
