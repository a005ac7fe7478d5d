import { randomBytes } from 'node:crypto';
import type { LocalMembership } from './membership.ts';
import type { Plan } from './plan.ts';
import { DEFAULT_PLANS } from './plans.ts';
import { ROLES } from './roles.ts';
import type { LocalSession } from './sessions.ts';
import { type SigningKey, signToken } from './signing-key.ts';

const LIFETIME_S = 60;
const NOT_BEFORE_S = 10;

/** Of the permissions that a role can have, not Clerk's own: `projects` and `read`. */
const CUSTOM = Object.values(ROLES)
  .flatMap(({ permissions }) => permissions.filter((key) => !key.startsWith('org:sys_')))
  .map((key) => key.split(':').slice(1) as [feature: string, action: string]);
const FEATURES = [...new Set(CUSTOM.map(([feature]) => feature))];
const ACTIONS = [...new Set(CUSTOM.map(([, action]) => action))];

/** A session token (version 2) as Clerk mints it, with an organization active or none. */
export function mintToken(
  key: SigningKey,
  issuer: string,
  session: LocalSession,
  active: LocalMembership | undefined,
  plan: Plan,
): string {
  const now = Math.floor(Date.now() / 1000);
  return signToken(key, {
    iss: issuer,
    sub: session.user_id,
    sid: session.id,
    azp: issuer,
    iat: now,
    nbf: now - NOT_BEFORE_S,
    exp: now + LIFETIME_S,
    jti: randomBytes(10).toString('hex'),
    v: 2,
    fva: [0, -1],
    sts: 'active',
    ...claimsOf(active, plan),
  });
}

/** Plan, features and the `o` claim: permissions as a bitmap over the features of the organization (version 2). */
export function claimsOf(active?: LocalMembership, plan: Plan = DEFAULT_PLANS[active ? 'org' : 'user']): object {
  const own = plan.features.map(({ slug }) => slug);
  if (!active) return { pla: `u:${plan.slug}`, fea: own.map((feature) => `u:${feature}`).join(',') };
  const features = [...new Set([...FEATURES, ...own])];
  const { organization, role, permissions } = active;
  const maskOf = (feature: string) =>
    ACTIONS.reduce((bits, action, bit) => bits + (permissions.includes(`org:${feature}:${action}`) ? 1 << bit : 0), 0);
  return {
    pla: `o:${plan.slug}`,
    fea: features.map((feature) => `o:${feature}`).join(','),
    o: {
      id: organization.id,
      slg: organization.slug,
      rol: role.replace('org:', ''),
      per: ACTIONS.join(','),
      fpm: features.map(maskOf).join(','),
    },
  };
}
