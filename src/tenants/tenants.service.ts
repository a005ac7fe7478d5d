import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import type { Principal, SessionPrincipal } from '../auth/index.ts';
import type { EventObject, EventTenants } from '../clerk/index.ts';
import { announceUpdates, asTenant, ChangeLog, Followed, transaction } from '../database/index.ts';
import { Problem } from '../http/index.ts';
import { fieldsOf } from './event-objects.ts';
import { keyOfMembership, MEMBERSHIP_CHANGED, MembershipMirror } from './membership-mirror.service.ts';
import { Tenant } from './tenant.entity.ts';
import { factsOfClaim } from './tenant-facts.ts';
import { TENANT_CHANGED, TenantMirror } from './tenant-mirror.service.ts';
import { loadMembership, loadTenant, type MembershipSnapshot, type TenantSnapshot } from './tenant-snapshot.ts';

const MAX_TENANTS = 10_000;
const MAX_MEMBERSHIPS = 20_000;

interface Ids {
  userId: string | null;
  tenantId: string;
}

/** The organizations of callers: found or created, known from memory, with the caller's membership. */
@Injectable()
export class TenantsService implements EventTenants {
  readonly #tenants: Followed<TenantSnapshot>;
  readonly #memberships: Followed<MembershipSnapshot>;

  constructor(
    private readonly em: EntityManager,
    private readonly mirror: TenantMirror,
    private readonly memberships: MembershipMirror,
    changes: ChangeLog,
  ) {
    announceUpdates(em, changes, { entity: Tenant, topic: TENANT_CHANGED, keyOf: ({ clerkId }) => clerkId });
    const load = (clerkId: string) => loadTenant(em.fork(), clerkId);
    this.#tenants = new Followed(changes, { topic: TENANT_CHANGED, max: MAX_TENANTS, load });
    const loadOne = (key: string) => loadMembership(em.fork(), key);
    this.#memberships = new Followed(changes, { topic: MEMBERSHIP_CHANGED, max: MAX_MEMBERSHIPS, load: loadOne });
  }

  /**
   * The tenant of the caller: active in the session, or whose API key it is; null: none. It is made at first sight, and so is
   * the user's membership. Throws `token_revoked` where either is over: a token outlives both by a minute.
   */
  async activeOf(principal: Principal, userId: string | null): Promise<TenantSnapshot | null> {
    const { organization } = principal;
    if (!organization) return null;
    const tenant = (await this.#tenants.find(organization.clerkId)) ?? (await this.#meet(organization));
    if (tenant.row.deletedAt) throw new Problem('token_revoked');
    const isPerson = principal.tokenType === 'session_token';
    if (isPerson && !(await this.#isMember(principal, { userId, tenantId: tenant.row.id })))
      throw new Problem('token_revoked');
    return tenant;
  }

  /** As the tables have it now, after a change that the caller must see. */
  async reload(clerkId: string): Promise<TenantSnapshot> {
    const tenant = await this.#tenants.reload(clerkId);
    if (!tenant) throw new Error('The tenant is not there');
    return tenant;
  }

  async idOf(em: EntityManager, organizationId: string): Promise<string | null> {
    const tenant = await em.findOne(Tenant, { clerkId: organizationId }, { disableIdentityMap: true });
    return tenant?.id ?? null;
  }

  async fieldsOf(em: EntityManager, object: EventObject) {
    return fieldsOf(em, object);
  }

  async #meet(organization: { clerkId: string; slug: string | null }): Promise<TenantSnapshot> {
    await transaction(this.em.fork(), (em) => this.mirror.mirror(em, factsOfClaim(organization)));
    return this.reload(organization.clerkId);
  }

  async #isMember({ organization, issuedAt }: SessionPrincipal, ids: Ids): Promise<boolean> {
    const { userId, tenantId } = ids;
    if (!userId || !organization) return false;
    const key = keyOfMembership({ userId, tenantId });
    const known = await this.#memberships.find(key);
    if (known && !known.isOver) return true;
    const claimed = { role: organization.role, issuedAt };
    await asTenant(this.em.fork(), tenantId, (em) => this.memberships.meet(em, { userId, tenantId }, claimed));
    return (await this.#memberships.reload(key))?.isOver === false;
  }
}
