import type { User } from '../users/index.ts';
import { nameOfTenant, type Tenant } from './tenant.entity.ts';
import type { MembershipView } from './tenants.schemas.ts';

interface Whole {
  user: Pick<User, 'id' | 'clerkId' | 'email' | 'name'>;
  tenant: Pick<Tenant, 'id' | 'clerkId' | 'name' | 'slug'>;
  role: string;
  createdAt: Date;
}

/** What reaches a person is for admins of the tenant and for that person: `showsContact`. */
export function toMembershipView(
  { user, tenant, role, createdAt }: Whole,
  { showsContact }: { showsContact: boolean },
): MembershipView {
  const { name = null } = user;
  const { slug = null } = tenant;
  const email = showsContact ? (user.email ?? null) : null;
  return { user: { ...user, email, name }, tenant: { ...tenant, name: nameOfTenant(tenant), slug }, role, createdAt };
}
