import type { User } from '../users/index.ts';
import { nameOfTenant, type Tenant } from './tenant.entity.ts';
import type { MembershipView } from './tenants.schemas.ts';

interface Whole {
  user: Pick<User, 'id' | 'clerkId' | 'email' | 'name'>;
  tenant: Pick<Tenant, 'id' | 'clerkId' | 'name' | 'slug'>;
  role: string;
  createdAt: Date;
}

export function toMembershipView({ user, tenant, role, createdAt }: Whole): MembershipView {
  const { email = null, name = null } = user;
  const { slug = null } = tenant;
  return { user: { ...user, email, name }, tenant: { ...tenant, name: nameOfTenant(tenant), slug }, role, createdAt };
}
