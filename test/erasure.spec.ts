import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Module, type Type } from '@nestjs/common';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { type ClerkEvent, type ClerkEventType, OnClerkEvent } from '../src/clerk/index.ts';
import { readSettings } from '../src/config/index.ts';
import { User, UsersService } from '../src/users/index.ts';
import { Replay } from '../src/webhooks/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { dataOf, EVENT_TYPES, newIds } from './support/events.ts';
import { Reconciling } from './support/reconcile.ts';
import { anAdmin } from './support/tenants.ts';
import { until } from './support/until.ts';

const HOUR_MS = 3_600_000;

/** What a team writes; of each event it notes the type, and of a deletion of a membership whose it was. */
@Injectable()
class Notes {
  @OnClerkEvent(...(EVENT_TYPES as [ClerkEventType, ...ClerkEventType[]]))
  async note(event: ClerkEvent, em: EntityManager) {
    const ids = event.type === 'organizationMembership.deleted' ? ` ${event.data.public_user_data.user_id}` : '';
    await em.execute('insert into scratch_notes values (?)', [`${event.type}${ids}`]);
  }
}

function withNotes(env: Record<string, string>): Type {
  @Module({ imports: modulesOf(readSettings(env)), providers: [...requestChain, Notes] })
  class TestModule {}
  return TestModule;
}

/** A person with words that nothing else in the database holds. */
class Person {
  readonly mark = randomBytes(5).toString('hex');
  readonly ids = newIds();
  readonly email = `mail${this.mark}@example.com`;

  /** As Clerk shows it. */
  get asUser() {
    return {
      ...clerk.aUser({ id: this.ids.userId, first_name: this.word('first'), last_name: this.word('last') }),
      primary_email_address_id: 'idn_1',
      email_addresses: [{ id: 'idn_1', email_address: this.email, verification: { status: 'verified' } }],
      phone_numbers: [{ id: 'idn_2', phone_number: this.word('phone') }],
      username: this.word('username'),
      image_url: `https://img.example.com/${this.word('image')}`,
      unsafe_metadata: { diet: this.word('unsafe') },
      public_metadata: { team: this.word('public') },
      external_accounts: [{ id: 'idn_3', email_address: this.word('account') }],
      updated_at: Date.now() - HOUR_MS,
    };
  }

  get asPublic() {
    return {
      user_id: this.ids.userId,
      first_name: this.word('first'),
      last_name: this.word('last'),
      identifier: this.email,
    };
  }

  get asPayer() {
    return {
      id: `payer_${this.mark}`,
      user_id: this.ids.userId,
      organization_id: '',
      first_name: this.word('first'),
      email: this.email,
    };
  }

  word(of: string): string {
    return `${of}${this.mark}`;
  }

  membership(verb: string): [string, object] {
    const type = `organizationMembership.${verb}` as ClerkEventType;
    return [
      type,
      { ...dataOf(type, this.ids), public_user_data: this.asPublic, private_metadata: { note: this.word('private') } },
    ];
  }

  session(verb: string, id = `sess_${this.mark}`): [string, object] {
    const activity = { id: 'act_1', city: this.word('city'), ip_address: this.word('address') };
    const facts = { id, user_id: this.ids.userId, status: verb, user: this.asUser, latest_activity: activity };
    return [`session.${verb}`, { ...facts, updated_at: Date.now() }];
  }

  /** To the person, and accepted where it says so. */
  invitation(verb: string, id = `orginv_${this.mark}`): [string, object] {
    const type = `organizationInvitation.${verb}` as ClerkEventType;
    return [type, { ...dataOf(type, { ...this.ids, objectId: id }), email_address: this.email }];
  }

  /** To somebody else. */
  invitationBy(id = `orginvby_${this.mark}`): [string, object] {
    const data = dataOf('organizationInvitation.created', { ...newIds(), objectId: id });
    return [
      'organizationInvitation.created',
      { ...data, inviter_id: this.ids.userId, public_inviter_data: this.asPublic },
    ];
  }

  payment(id = `pay_${this.mark}`): [string, object] {
    const data = dataOf('paymentAttempt.updated', { ...this.ids, objectId: id });
    const source = { id: 'src_1', card_type: 'visa', last4: this.word('card') };
    return ['paymentAttempt.updated', { ...data, payer: this.asPayer, payment_source: source }];
  }

  /** Of an organization, paid for by the person. */
  subscriptionOf(organizationId: string): [string, object] {
    const payer = { ...this.asPayer, user_id: '', organization_id: organizationId, id: `payerorg_${this.mark}` };
    return ['subscription.updated', { ...dataOf('subscription.updated', newIds()), payer, updated_at: Date.now() }];
  }

  deletion(): [string, object] {
    return ['user.deleted', { id: this.ids.userId, object: 'user', deleted: true }];
  }
}

let clerk: TestClerk;
let sent = 0;

beforeAll(async () => {
  clerk = await TestClerk.start();
});

async function aDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  await database.query('create table scratch_notes (text text not null)');
  await database.query('grant all on scratch_notes to gatehouse');
  return database;
}

/** Over the wire, with the address and the browser of whoever caused it. */
async function tell(
  app: TestApp,
  [type, data]: [string, object],
  mark = '',
  id = `msg_erasure${sent++}`,
): Promise<string> {
  const http_request = { client_ip: `ip${mark}`, user_agent: `agent${mark}` };
  const event = { ...clerk.anEvent(type, data), event_attributes: { http_request } };
  expect([type, (await clerk.deliver(app.url, JSON.stringify(event), { id })).status]).toEqual([type, 204]);
  return id;
}

/** Every row of every table, of any schema, that holds the text. */
async function traces(database: TestDatabase, text: string): Promise<string[]> {
  const tables = await database.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class
     where relkind in ('r', 'p') and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`,
  );
  const found = await Promise.all(
    tables.map(({ name }) =>
      database.query<{ row: string }>(
        `select '${name} ' || row::text as row from ${name} as row where row::text ilike $1`,
        [`%${text}%`],
      ),
    ),
  );
  return found.flat().map(({ row }) => row);
}

/** Clerk's ids may stay. */
const tracesOf = async (app: TestApp, person: Person) =>
  (await traces(app.database, person.mark)).filter((row) =>
    new RegExp(`(?<!(sess|orginv|orginvby|pay|payer|payerorg)_)${person.mark}`).test(row),
  );

/** All that can be told of the person, and what the person tells of itself. */
async function live(app: TestApp, person: Person): Promise<void> {
  const { mark, ids } = person;
  await tell(app, ['user.created', person.asUser], mark);
  const settings = { street: person.word('street') };
  const body = { settings, locale: 'gsw-CH', timezone: 'Antarctica/Troll' };
  const patched = await app.as(clerk.aToken({ sub: ids.userId }), '/v1/me', { method: 'PATCH', body });
  expect(patched.status).toBe(200);
  for (const event of [
    ['user.updated', { ...person.asUser, updated_at: Date.now() - HOUR_MS + 1 }],
    person.session('created'),
    person.invitation('created'),
    person.invitation('accepted'),
    person.membership('created'),
    person.invitationBy(),
    person.payment(),
    person.subscriptionOf(ids.organizationId),
    ['email.created', { id: 'ema_1', user_id: ids.userId, to_email_address: person.email, body: person.word('body') }],
    ['waitlistEntry.created', { id: 'wait_1', email_address: person.email }],
  ] as [string, object][])
    await tell(app, event, mark);
}

/** What comes late, of before the deletion. */
const late = (person: Person): [string, object][] => [
  ['user.updated', { ...person.asUser, updated_at: Date.now() - HOUR_MS / 2 }],
  person.session('ended'),
  person.session('revoked', `sess_${person.mark}`),
  person.membership('updated'),
  person.membership('deleted'),
  person.invitation('created', `orginv_${person.mark}`),
  person.invitation('accepted', `orginv_${person.mark}`),
  person.invitation('revoked'),
  person.invitationBy(`orginvby_${person.mark}`),
  person.payment(`pay_${person.mark}`),
  person.subscriptionOf(person.ids.organizationId),
];

const jobsDone = (app: TestApp) =>
  until(async () => (await app.database.query("select from pgboss.job where name like 'clerk.%'")).length === 0);

describe.each<[string, ((env: Record<string, string>) => Type) | undefined]>([
  ['without handlers of features', undefined],
  ['with handlers of features for every event', withNotes],
])('after user.deleted, %s', (_what, moduleOf) => {
  let app: TestApp;

  beforeAll(async () => {
    app = await startApp(clerk, { CLERK_INSTANCE_ID: clerk.instanceId }, await aDatabase(), moduleOf);
  });

  const rowOf = async (person: Person) =>
    (
      await app.database.query<Record<string, unknown>>('select * from users where clerk_id = $1', [person.ids.userId])
    )[0];

  it('no table holds anything of the person but ids, and what comes late brings none of it back', async () => {
    const person = new Person();
    await live(app, person);
    await jobsDone(app);
    expect(await tracesOf(app, person)).not.toEqual([]);
    await tell(app, person.deletion());
    expect(await tracesOf(app, person)).toEqual([]);
    expect(await rowOf(person)).toMatchObject({ settings: {}, locale: null, timezone: null, email: null, name: null });
    expect([...(await traces(app.database, 'gsw-CH')), ...(await traces(app.database, 'Antarctica'))]).toEqual([]);
    for (const event of late(person)) await tell(app, event, person.mark);
    await jobsDone(app);
    expect(await tracesOf(app, person)).toEqual([]);
    expect((await app.as(clerk.aToken({ sub: person.ids.userId }), '/v1/me')).body.code).toBe('token_revoked');
  });

  it('nothing is kept of a person of whom the deletion is the first that is told', async () => {
    const person = new Person();
    await tell(app, person.deletion());
    for (const event of [...late(person), ['user.created', person.asUser] as [string, object]])
      await tell(app, event, person.mark);
    await jobsDone(app);
    // an invitation of which nobody has told whose it is
    const left = (await tracesOf(app, person)).filter((row) => !row.startsWith('invitations '));
    expect(left).toEqual([]);
  });

  it('nothing is kept of what comes at the same time', async () => {
    for (let round = 0; round < 12; round++) {
      const person = new Person();
      if (round % 2) await tell(app, ['user.created', person.asUser]);
      const events = [
        ...late(person).filter(([type]) => !type.startsWith('organizationInvitation')),
        person.session('created'),
      ];
      events.splice(round % events.length, 0, person.deletion());
      await Promise.all(events.map((event) => tell(app, event, person.mark)));
      await jobsDone(app);
      expect(await tracesOf(app, person)).toEqual([]);
    }
  });

  it('other people keep what is theirs', async () => {
    const [gone, stays] = [new Person(), new Person()];
    for (const person of [gone, stays]) await live(app, person);
    const before = await tracesOf(app, stays);
    await tell(app, gone.deletion());
    expect(await tracesOf(app, stays)).toEqual(before);
  });
});

describe('after a deletion', () => {
  let app: TestApp;

  beforeAll(async () => {
    app = await startApp(clerk, { CLERK_INSTANCE_ID: clerk.instanceId }, await aDatabase(), withNotes);
  });

  it('handlers of features learn what ids can tell, and no job dies', async () => {
    const person = new Person();
    await live(app, person);
    await jobsDone(app);
    await app.database.query('truncate scratch_notes');
    await tell(app, person.deletion());
    await tell(app, person.payment('pay_late'));
    await tell(app, person.session('ended'));
    await tell(app, person.invitation('accepted'));
    await tell(app, person.membership('deleted'));
    await tell(app, ['user.updated', { ...person.asUser, updated_at: Date.now() - HOUR_MS / 2 }]);
    await jobsDone(app);
    const notes = await app.database.query<{ text: string }>('select text from scratch_notes order by text');
    expect(notes.map(({ text }) => text)).toEqual([
      'organizationInvitation.accepted',
      `organizationMembership.deleted ${person.ids.userId}`,
      'paymentAttempt.updated',
      'session.ended',
      'user.deleted',
      'user.updated',
    ]);
    expect(await app.database.query("select from pgboss.job where state = 'failed'")).toEqual([]);
  });

  it('a replay says that there is nothing left to replay, and changes nothing', async () => {
    const person = new Person();
    const id = await tell(app, ['user.created', person.asUser]);
    await tell(app, person.deletion());
    await expect(app.app.get(Replay).replay(id)).rejects.toThrow(
      'It was erased with its user: there is nothing to replay',
    );
    expect(await tracesOf(app, person)).toEqual([]);
  });

  it('all of the events about the person are emptied, however many there are', async () => {
    const person = new Person();
    await app.database.query(
      `insert into inbox (id, type, status, user_id, event_at, payload, received_at)
       select 'msg_many' || n, 'user.updated', 'processed', $1, 0, json_build_object('data', $2::text), now()
       from generate_series(1, 12000) as n`,
      [person.ids.userId, person.word('many')],
    );
    await tell(app, person.deletion());
    expect(await tracesOf(app, person)).toEqual([]);
  });

  it('an invitation to an address that was never verified to be the user’s keeps it, since it is another’s', async () => {
    const [invited, liar] = [new Person(), new Person()];
    await tell(app, invited.invitation('created'));
    const unverified = { id: 'idn_1', email_address: invited.email, verification: { status: 'unverified' } };
    await tell(app, ['user.created', { ...liar.asUser, email_addresses: [unverified] }]);
    await tell(app, liar.deletion());
    expect(await traces(app.database, invited.email)).toEqual([expect.stringMatching(/^invitations /)]);
    await tell(app, ['user.created', invited.asUser]);
    await tell(app, invited.deletion());
    expect(await traces(app.database, invited.email)).toEqual([]);
  });

  it('a request that was on its way leaves no settings', async () => {
    const person = new Person();
    await tell(app, ['user.created', person.asUser]);
    const user = await app.orm.em.fork().findOneOrFail(User, { clerkId: person.ids.userId });
    await tell(app, person.deletion());
    const change = app.app.get(UsersService).changeProfile(user, { settings: { street: person.word('street') } });
    await expect(change).rejects.toMatchObject({ code: 'token_revoked' });
    expect(await tracesOf(app, person)).toEqual([]);
  });

  it('that the reconciliation found, nothing of the person is left either', async () => {
    const reconciling = await Reconciling.start();
    const { database } = reconciling;
    const own = await startApp(reconciling.clerk, { CLERK_INSTANCE_ID: reconciling.clerk.instanceId }, database);
    const [{ id }, word] = [reconciling.clerk.aUser(), `word${randomBytes(5).toString('hex')}`];
    expect((await reconciling.run(['--apply'])).code).toBe(0);
    const session = { id: 'sess_1', user_id: id, user: { id, first_name: word } };
    expect(
      (await reconciling.clerk.deliver(own.url, reconciling.clerk.anEvent('session.created', session))).status,
    ).toBe(204);
    await database.query('update users set settings = $1 where clerk_id = $2', [{ street: word }, id]);
    expect(await traces(database, word)).toHaveLength(2);
    reconciling.clerk.directory.users.remove(id);
    await database.query("update users set updated_at = now() - interval '1 day'");
    await reconciling.run(['--apply', '--restart']);
    expect(await database.query('select from users where deleted_at is not null')).toHaveLength(1);
    expect(await traces(database, word)).toEqual([]);
  });
});

describe('after organization.deleted', () => {
  it('the settings of the tenant and the addresses of whom it invited are gone, and stay so', async () => {
    const app = await startApp(clerk, { CLERK_INSTANCE_ID: clerk.instanceId });
    const { organization, token } = anAdmin(clerk);
    const word = `word${randomBytes(5).toString('hex')}`;
    const patched = await app.as(token(), '/v1/tenant', { method: 'PATCH', body: { settings: { street: word } } });
    expect(patched.status).toBe(200);
    const ids = { ...newIds(), organizationId: organization.id };
    const invited = (verb: string): [string, object] => {
      const type = `organizationInvitation.${verb}` as ClerkEventType;
      return [type, { ...dataOf(type, ids), email_address: `${word}@example.com` }];
    };
    await tell(app, invited('created'));
    expect(await traces(app.database, word)).toHaveLength(2);
    await tell(app, ['organization.deleted', { id: organization.id, object: 'organization', deleted: true }]);
    expect(await traces(app.database, word)).toEqual([]);
    await tell(app, [
      'organization.updated',
      { ...organization, public_metadata: { word }, updated_at: Date.now() - HOUR_MS },
    ]);
    await tell(app, invited('revoked'));
    expect(await traces(app.database, word)).toEqual([]);
  });
});

describe('the inbox', () => {
  const metadata = () => randomBytes(4096).toString('hex');
  const kept = async (app: TestApp) =>
    (await app.database.query<{ length: number }>('select length(payload::text) from inbox')).map(
      ({ length }) => length,
    );

  it('keeps no metadata of events that nobody reads again, and shows its size', async () => {
    const app = await startApp(clerk, { CLERK_INSTANCE_ID: clerk.instanceId });
    const user = clerk.aUser();
    for (let n = 0; n < 8; n++)
      await tell(app, ['user.updated', { ...user, unsafe_metadata: { text: metadata() }, updated_at: Date.now() }]);
    for (const type of [
      'session.created',
      'organizationMembership.created',
      'waitlistEntry.created',
      'made.up',
    ] as const)
      await tell(app, [
        type,
        {
          ...dataOf('organizationMembership.created', newIds()),
          unsafe_metadata: metadata(),
          user: { ...user, public_metadata: metadata() },
        },
      ]);
    for (const length of await kept(app)) expect(length).toBeLessThan(1000);
    const { text } = (await app.call('/metrics')).body as { text: string };
    expect(text).toMatch(/^gatehouse_inbox_rows 12$/m);
    expect(Number(/^gatehouse_inbox_bytes (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(8192);
  });

  it('replays what it keeps as before', async () => {
    const app = await startApp(clerk, { CLERK_INSTANCE_ID: clerk.instanceId });
    const person = new Person();
    const ids: string[] = [];
    for (const event of [
      ['user.updated', { ...person.asUser, banned: true }],
      person.session('revoked'),
      person.membership('created'),
      person.invitation('created'),
      [
        'organization.updated',
        { ...dataOf('organization.updated', person.ids), slug: 'acme', max_allowed_memberships: 3 },
      ],
      person.subscriptionOf(person.ids.organizationId),
    ] as [string, object][])
      ids.push(await tell(app, event));
    const all = ['users', 'tenants', 'memberships', 'revocations', 'invitations', 'subscriptions'];
    const state = async () =>
      Promise.all(
        all.map((table) =>
          app.database.query(
            `select to_jsonb(t) - '{id,tenant_id,user_id,owner_id,created_at,updated_at,expires_at,recorded_at}'::text[] as row from ${table} as t order by 1`,
          ),
        ),
      );
    const before = await state();
    expect(before.every((rows) => rows.length > 0)).toBe(true);
    for (const id of ids) await app.app.get(Replay).replay(id);
    expect(await state()).toEqual(before);
    await app.database.query('truncate users, memberships, revocations cascade');
    for (const id of ids.slice(0, 3)) await app.app.get(Replay).replay(id);
    expect((await state()).slice(0, 1)).toEqual(before.slice(0, 1));
  });
});
