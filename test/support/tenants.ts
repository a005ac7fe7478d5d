import type { LocalOrganization } from '../../local/clerk/organization.ts';
import type { LocalUser } from '../../local/clerk/people.ts';
import type { RoleKey } from '../../local/clerk/roles.ts';
import type { TestApp } from './app.ts';
import type { TestClerk } from './clerk.ts';
import type { TestDatabase } from './database.ts';

/** Makes a token for each call: one lives a minute. */
export type Caller = () => string;

/** Somebody in an organization, at Clerk alone until the first call. */
export interface Member {
  user: LocalUser;
  organization: LocalOrganization;
  token: Caller;
}

export function aMember(
  clerk: TestClerk,
  organization: LocalOrganization = clerk.anOrganization(),
  role: RoleKey = 'org:member',
  user: LocalUser = clerk.aUser(),
): Member {
  clerk.aMembership(organization, user, role);
  return { user, organization, token: () => clerk.aTokenIn(organization, user) };
}

export const anAdmin = (clerk: TestClerk, organization?: LocalOrganization) =>
  aMember(clerk, organization, 'org:admin');

/** What `GET /v1/me` answers, which makes the caller known. */
export interface Me {
  user: { id: string; clerkId: string };
  tenant: {
    id: string;
    clerkId: string;
    name: string;
    slug: string | null;
    role: string;
    permissions: string[];
  } | null;
}

export async function meet(app: TestApp, token: string): Promise<Me> {
  const { status, body } = await app.as(token, '/v1/me');
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
  return body as never;
}

/** Every column of all that is here of an organization. */
export async function rowsOf(database: TestDatabase, { id }: { id: string }): Promise<Record<string, object[]>> {
  const tenants = await database.query('select * from tenants where clerk_id = $1', [id]);
  const of = (table: string) =>
    database.query(
      `select * from ${table} where tenant_id in (select id from tenants where clerk_id = $1) order by id`,
      [id],
    );
  return { tenants, memberships: await of('memberships'), invitations: await of('invitations') };
}
