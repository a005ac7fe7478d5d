import { nameOfUser, type User } from '../users/index.ts';
import { nameOfTenant, type Tenant } from './tenant.entity.ts';
import type { MembershipView } from './tenants.schemas.ts';

interface Whole {
  user: Pick<User, 'id' | 'clerkId' | 'email' | 'emailVerified' | 'username' | 'phone' | 'name'>;
  tenant: Pick<Tenant, 'id' | 'clerkId' | 'name' | 'slug'>;
  role: string;
  createdAt: Date;
}

/** What reaches a person is for admins of the tenant and for that person: `showsContact`. */
export function toMembershipView(
  { user, tenant, role, createdAt }: Whole,
  { showsContact }: { showsContact: boolean },
): MembershipView {
  const { id, clerkId, email = null, emailVerified, phone = null, username = null } = user;
  const { slug = null } = tenant;
  const contact = showsContact ? { email, emailVerified, phone } : { email: null, emailVerified: null, phone: null };
  return {
    user: { id, clerkId, ...contact, username, name: nameOfUser(user) },
    tenant: { ...tenant, name: nameOfTenant(tenant), slug },
    role,
    createdAt,
  };
}
