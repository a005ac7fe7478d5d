import { __experimental_JWTPayloadToAuthObjectProperties as authPropertiesOf } from '@clerk/shared/jwtPayloadParser';
import { fullRole } from '../clerk/index.ts';
import { deepFreeze } from '../database/index.ts';
import type { Claims } from './claims.ts';

/** The organization that is active in a session, as its token says. */
export interface ActiveOrganization {
  /** Clerk's id. */
  readonly clerkId: string;
  readonly slug: string | null;
  /** In Clerk's full form: `org:admin`. */
  readonly role: string;
  /** In Clerk's full form: `org:projects:write`; never a system permission. */
  readonly permissions: readonly string[];
}

/** Verified claims are shared by all requests with their token, so that each is decoded once. */
const decoded = new WeakMap<Claims, ActiveOrganization | null>();

/** Of verified claims, whose form is known to be good; null: none is active. */
export function activeOrganizationOf(claims: Claims): ActiveOrganization | null {
  const known = decoded.get(claims);
  if (known !== undefined) return known;
  const organization = decode(claims);
  decoded.set(claims, organization);
  return organization;
}

function decode(claims: Claims): ActiveOrganization | null {
  const { orgId, orgSlug, orgRole, orgPermissions } = authPropertiesOf(
    claims as Parameters<typeof authPropertiesOf>[0],
  );
  if (!orgId || !orgRole) return null;
  return deepFreeze({
    clerkId: orgId,
    slug: orgSlug || null,
    role: fullRole(orgRole),
    permissions: orgPermissions ?? [],
  });
}
