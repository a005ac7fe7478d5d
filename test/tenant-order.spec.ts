import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { anInvitation, type InvitationRow, invitationEvent, shownInvitation } from '../local/clerk/invitation.ts';
import { aMembership, type MembershipRow, shownMembership } from '../local/clerk/membership.ts';
import { anOrganization, type OrganizationRow } from '../local/clerk/organization.ts';
import type { LocalUser } from '../local/clerk/people.ts';
import type { RoleKey } from '../local/clerk/roles.ts';
import { claimsOf } from '../local/clerk/session-token.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

const HAPPENINGS = [
  'joins',
  'joins',
  'promoted',
  'promoted',
  'demoted',
  'demoted',
  'touched',
  'leaves',
  'organizationRenamed',
  'organizationDeleted',
  'organizationStray',
  'userRenamed',
  'userDeleted',
  'invited',
  'accepted',
  'revoked',
  'calls',
  'calls',
  'calls',
] as const;
type Happening = { what: (typeof HAPPENINGS)[number]; afterMs: number };

/** What reaches us of a happening: an event, or a call with a token. */
type Told = { id: string; event: object } | { token: string };

/** What was true at Clerk, one after the other, as the events say it; the tests expect the outcome from this alone. */
interface Truth {
  tenant: { name: string; max: number } | 'deleted';
  user: { name: string } | 'deleted';
  membership?: { clerkId: string; role: RoleKey; isOver: boolean };
  invitations: Map<string, { role: string; status: string }>;
  /** Of the tokens in the tenant: up to here they must be refused, and from there on they must not (milliseconds). */
  mustNotPass: number;
  mayPass: number;
}

/** For what one process hears from another. */
const PATIENCE_MS = 30_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let clerk: TestClerk;
let apps: [TestApp, TestApp];
let runs = 0;

beforeAll(async () => {
  clerk = await TestClerk.start();
  const first = await startApp(clerk);
  apps = [first, await startApp(clerk, {}, first.database)];
});

/** One organization and one user at Clerk, and all that is told of them. */
class Story {
  readonly told: Told[] = [];
  readonly tokens: { token: string; iat: number }[] = [];
  readonly truth: Truth;
  readonly user: LocalUser;
  readonly organization: OrganizationRow;
  readonly #run = runs++;
  #now: number;
  #membership: MembershipRow | undefined;
  #invitation: InvitationRow | undefined;

  constructor(happenings: Happening[], began: number) {
    this.#now = began;
    const at = { created_at: began, updated_at: began };
    this.user = clerk.aUser({ id: `user_order${this.#run}`, image_url: 'https://img/ada', ...at });
    // what Clerk answers when it is asked stays as it was
    this.user = structuredClone(this.user);
    this.organization = anOrganization({ id: `org_order${this.#run}`, name: 'Acme', slug: 'acme', ...at });
    this.truth = {
      tenant: { name: 'Acme', max: 0 },
      user: { name: 'Ada Example' },
      invitations: new Map(),
      mustNotPass: 0,
      mayPass: 0,
    };
    this.#tell('organization.created', this.#shown());
    this.#tell('user.created', this.user);
    this.#joins();
    for (const { what, afterMs } of happenings) {
      this.#now += afterMs;
      this.#happens(what);
    }
  }

  #happens(what: Happening['what']): void {
    switch (what) {
      case 'joins':
        return this.#joins();
      case 'promoted':
      case 'demoted':
        return this.#changes({ role: what === 'promoted' ? 'org:admin' : 'org:member' });
      case 'touched':
        return this.#changes({});
      case 'leaves':
        return this.#leaves();
      case 'organizationRenamed':
        return this.#isThere() ? this.#renameOrganization() : undefined;
      case 'organizationStray':
        return this.#isThere() ? undefined : this.#tellStray();
      case 'organizationDeleted':
        return this.#isThere() ? this.#deleteOrganization() : undefined;
      case 'userRenamed':
      case 'userDeleted':
        return this.truth.user === 'deleted' ? undefined : this.#changeUser(what);
      case 'invited':
        return this.#isThere() ? this.#invites() : undefined;
      case 'accepted':
      case 'revoked':
        return this.#endsInvitation(what);
      case 'calls':
        return this.#calls();
      default:
        what satisfies never;
    }
  }

  #isThere(): boolean {
    return this.truth.tenant !== 'deleted';
  }

  #shown() {
    return { ...this.organization, members_count: 1, pending_invitations_count: 0 };
  }

  #joins(): void {
    if (this.#membership || !this.#isThere() || this.truth.user === 'deleted') return;
    this.#now += 1;
    const of = { organization_id: this.organization.id, user_id: this.user.id, role: 'org:member' as const };
    const id = `orgmem_order${this.#run}x${String(this.told.length).padStart(2, '0')}`;
    this.#membership = aMembership({ ...of, id, created_at: this.#now, updated_at: this.#now });
    this.truth.membership = { clerkId: id, role: of.role, isOver: false };
    this.#tellMembership('created');
  }

  #changes(facts: { role?: RoleKey }): void {
    if (!this.#membership || !this.truth.membership) return;
    if (facts.role && facts.role !== this.#membership.role) this.truth.mustNotPass = this.#now;
    Object.assign(this.#membership, facts, { updated_at: this.#now });
    this.truth.membership.role = this.#membership.role;
    this.#tellMembership('updated');
  }

  #leaves(): void {
    if (!this.#membership || !this.truth.membership) return;
    this.truth.membership.isOver = true;
    this.truth.mustNotPass = this.#now;
    this.#tellMembership('deleted');
    this.#membership = undefined;
  }

  #renameOrganization(): void {
    const name = `Acme ${this.told.length}`;
    Object.assign(this.organization, { name, max_allowed_memberships: this.told.length, updated_at: this.#now });
    this.truth.tenant = { name, max: this.told.length };
    this.#tell('organization.updated', this.#shown());
  }

  /** Clerk's clocks are several: word of what is gone, with a later time. */
  #tellStray(): void {
    this.#tell('organization.updated', { ...this.#shown(), updated_at: this.#now });
  }

  #deleteOrganization(): void {
    this.truth.tenant = 'deleted';
    if (this.truth.membership) this.truth.membership.isOver = true;
    this.#tell('organization.deleted', { object: 'organization', id: this.organization.id, deleted: true });
  }

  #changeUser(what: 'userRenamed' | 'userDeleted'): void {
    if (what === 'userDeleted') {
      this.#leaves();
      this.truth.user = 'deleted';
      return this.#tell('user.deleted', { object: 'user', id: this.user.id, deleted: true });
    }
    Object.assign(this.user, { first_name: `Ada ${this.told.length}`, updated_at: this.#now });
    this.truth.user = { name: `Ada ${this.told.length} Example` };
    this.#tell('user.updated', this.user);
  }

  #invites(): void {
    const id = `orginv_order${this.#run}x${String(this.told.length).padStart(2, '0')}`;
    const of = {
      organization_id: this.organization.id,
      email_address: 'grace@example.com',
      role: 'org:member' as const,
    };
    this.#invitation = anInvitation({ ...of, id, created_at: this.#now, updated_at: this.#now });
    this.#tellInvitation('created');
  }

  #endsInvitation(status: 'accepted' | 'revoked'): void {
    if (!this.#invitation || this.#invitation.status !== 'pending' || !this.#isThere()) return;
    Object.assign(this.#invitation, { status, updated_at: this.#now });
    this.#tellInvitation(status);
  }

  #calls(): void {
    if (!this.#membership || !this.#isThere()) return;
    const shown = shownMembership(this.#membership, this.#shown(), this.user);
    const iat = Math.floor(this.#now / 1000);
    const exp = Math.floor(Date.now() / 1000) + 600;
    const token = clerk.aToken({ sub: this.user.id, iat, nbf: iat - 10, exp, ...claimsOf(shown) });
    this.tokens.push({ token, iat });
    this.told.push({ token });
  }

  #tellMembership(what: 'created' | 'updated' | 'deleted'): void {
    this.truth.mayPass = this.#now;
    const membership = shownMembership({ ...(this.#membership as MembershipRow) }, this.#shown(), this.user);
    this.#tell(`organizationMembership.${what}`, membership);
  }

  #tellInvitation(what: 'created' | 'accepted' | 'revoked'): void {
    const invitation = shownInvitation({ ...(this.#invitation as InvitationRow) }, undefined);
    this.truth.invitations.set(invitation.id, { role: invitation.role, status: invitation.status });
    this.#tell(`organizationInvitation.${what}`, invitationEvent(invitation, this.organization, {}));
  }

  #tell(type: string, data: object): void {
    const id = `msg_order${this.#run}x${String(this.told.length).padStart(2, '0')}`;
    this.told.push({ id, event: clerk.anEvent(type, structuredClone(data), { timestamp: this.#now }) });
  }
}

/** What the story must leave here, from its truth alone. */
function expectedOf({ truth, user, organization }: Story): object {
  const isDeleted = truth.tenant === 'deleted';
  const { membership } = truth;
  return {
    tenants: [
      truth.tenant === 'deleted'
        ? { clerk_id: organization.id, name: null, slug: null, max_members: null, deleted: true }
        : {
            clerk_id: organization.id,
            name: truth.tenant.name,
            slug: 'acme',
            max_members: truth.tenant.max,
            deleted: false,
          },
    ],
    users: [
      truth.user === 'deleted'
        ? { clerk_id: user.id, name: null, email: null, deleted: true }
        : { clerk_id: user.id, name: truth.user.name, email: user.email_addresses[0]?.email_address, deleted: false },
    ],
    memberships: membership
      ? // nobody reads the role of what ended with its tenant
        [
          {
            clerk_id: membership.clerkId,
            role: isDeleted ? expect.any(String) : membership.role,
            over: membership.isOver,
          },
        ]
      : [],
    // of a deleted tenant nothing new is kept
    invitations: isDeleted
      ? expect.any(Array)
      : [...truth.invitations].map(([id, { role, status }]) => ({ clerk_id: id, role, status })),
    tenantRevoked: isDeleted,
  };
}

async function stateOf({ user, organization }: Story): Promise<object> {
  const { database } = apps[0];
  const of = 'tenant_id in (select id from tenants where clerk_id = $1) order by clerk_id';
  const revoked = await database.query("select from revocations where kind = 'tenant' and clerk_id = $1", [
    organization.id,
  ]);
  return {
    tenants: await database.query(
      'select clerk_id, name, slug, max_members, deleted_at is not null as deleted from tenants where clerk_id = $1',
      [organization.id],
    ),
    users: await database.query(
      'select clerk_id, name, email, deleted_at is not null as deleted from users where clerk_id = $1',
      [user.id],
    ),
    memberships: await database.query(
      `select clerk_id, role, ended_at is not null as over from memberships where ${of}`,
      [organization.id],
    ),
    invitations: await database.query(`select clerk_id, role, status from invitations where ${of}`, [organization.id]),
    tenantRevoked: revoked.length > 0,
  };
}

/** From which second on tokens of the user in the tenant pass. */
async function markOf({ user, organization }: Story): Promise<number> {
  const [row] = await apps[0].database.query<{ not_before: string }>(
    "select not_before from revocations where kind = 'membership' and clerk_id like $1 and clerk_id like $2",
    [`%${user.id}%`, `%${organization.id}%`],
  );
  return Number(row?.not_before ?? 0);
}

async function reach(app: TestApp, told: Told): Promise<void> {
  const { status, body } = await ('token' in told
    ? app.as(told.token, '/v1/me')
    : clerk.deliver(app.url, told.event as never, { id: told.id }));
  const isGood = 'token' in told ? status === 200 || body.code === 'token_revoked' : status === 204;
  if (!isGood) throw new Error(`${status} ${JSON.stringify(body)}`);
}

/** Which tokens pass is the same at both processes, once they have heard of it all. */
async function passAsTheyShould({ truth, tokens }: Story, mark: number): Promise<void> {
  const isIn = truth.tenant !== 'deleted' && truth.user !== 'deleted' && truth.membership?.isOver === false;
  const expected = tokens.map(({ iat }) => isIn && iat >= mark);
  for (const app of apps) {
    const passes = async () =>
      Promise.all(tokens.map(async ({ token }) => (await app.as(token, '/v1/me')).status === 200));
    const deadline = Date.now() + PATIENCE_MS;
    const isSo = async () => isDeepStrictEqual(await passes(), expected);
    while (!(await isSo()) && Date.now() < deadline) await pause(20);
    expect(await passes()).toEqual(expected);
  }
}

describe('the events of an organization, its members and invitations, and the tokens of a member', () => {
  it('leave what was true at last, in any order, with any duplicates, at two processes at once', async () => {
    const happening = fc.record({
      what: fc.constantFrom(...HAPPENINGS),
      afterMs: fc.constantFrom(0, 1, 400, 1500, 3000),
    });
    const cases = fc.record({
      happenings: fc.array(happening, { minLength: 2, maxLength: 14 }),
      deliveries: fc.infiniteStream(fc.nat()),
      duplicates: fc.array(fc.nat(20), { maxLength: 6 }),
      atOnce: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ happenings, deliveries, duplicates, atOnce }) => {
        const story = new Story(happenings, Date.now() - 60_000);
        const all = [...story.told, ...duplicates.flatMap((index) => story.told[index % story.told.length] ?? [])];
        const order = all
          .map((told) => ({ told, at: deliveries.next().value as number }))
          .toSorted((a, b) => a.at - b.at);
        const reaching = ({ told, at }: (typeof order)[number]) => reach(apps[at % 2 === 0 ? 0 : 1], told);
        if (atOnce) await Promise.all(order.map(reaching));
        else for (const each of order) await reaching(each);
        expect(await stateOf(story)).toEqual(expectedOf(story));
        const { tenant, mustNotPass, mayPass } = story.truth;
        const mark = await markOf(story);
        const asMark = (ms: number) => (ms === 0 ? 0 : Math.floor(ms / 1000) + 1);
        // of a deleted tenant no token passes anyway
        if (tenant !== 'deleted') expect(mark).toBeGreaterThanOrEqual(asMark(mustNotPass));
        expect(mark).toBeLessThanOrEqual(asMark(mayPass));
        await passAsTheyShould(story, mark);
      }),
      { numRuns: 120 },
    );
  }, 180_000);
});
