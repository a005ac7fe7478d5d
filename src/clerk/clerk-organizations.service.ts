import { Injectable } from '@nestjs/common';
import { ClerkCalls } from './clerk-calls.service.ts';
import { clerkPath } from './clerk-http.ts';
import { ClerkInvitation } from './clerk-invitation.schema.ts';
import { ClerkMembership } from './clerk-membership.schema.ts';
import { ClerkOrganization } from './clerk-organization.schema.ts';
import { DeletedObject } from './deleted-object.schema.ts';

/**
 * Writes to Clerk's organizations, with the secret key: Clerk asks nobody whether the caller may, so who calls this has
 * checked it. Throws the Problems of ClerkCalls.
 */
@Injectable()
export class ClerkOrganizations {
  constructor(private readonly calls: ClerkCalls) {}

  /** With that user as its first member, in the role of a creator. */
  async create(
    { name, slug, createdBy }: { name: string; slug?: string | undefined; createdBy: string },
    until?: number,
  ): Promise<ClerkOrganization> {
    const body = { name, slug, created_by: createdBy };
    return this.calls.send(ClerkOrganization, { method: 'POST', path: '/organizations', body }, until);
  }

  async update(id: string, { name, slug }: { name?: string | undefined; slug?: string | undefined }) {
    const path = clerkPath`/organizations/${id}`;
    return this.calls.send(ClerkOrganization, { method: 'PATCH', path, body: { name, slug } });
  }

  async get(id: string, until?: number): Promise<ClerkOrganization> {
    return this.calls.send(ClerkOrganization, { path: clerkPath`/organizations/${id}` }, until);
  }

  async delete(id: string, until?: number): Promise<void> {
    await this.calls.send(DeletedObject, { method: 'DELETE', path: clerkPath`/organizations/${id}` }, until);
  }

  async changeRole(organizationId: string, userId: string, role: string): Promise<ClerkMembership> {
    const path = clerkPath`/organizations/${organizationId}/memberships/${userId}`;
    return this.calls.send(ClerkMembership, { method: 'PATCH', path, body: { role } });
  }

  /** The membership that has ended. */
  async removeMember(organizationId: string, userId: string): Promise<ClerkMembership> {
    const path = clerkPath`/organizations/${organizationId}/memberships/${userId}`;
    return this.calls.send(ClerkMembership, { method: 'DELETE', path });
  }

  /** Clerk sends the mail. The inviter must be an administrator there. */
  async invite(
    organizationId: string,
    { email, role, inviterUserId }: { email: string; role: string; inviterUserId: string },
  ): Promise<ClerkInvitation> {
    const path = clerkPath`/organizations/${organizationId}/invitations`;
    const body = { email_address: email, role, inviter_user_id: inviterUserId };
    return this.calls.send(ClerkInvitation, { method: 'POST', path, body });
  }

  async revokeInvitation(
    organizationId: string,
    invitationId: string,
    requestingUserId: string,
  ): Promise<ClerkInvitation> {
    const path = clerkPath`/organizations/${organizationId}/invitations/${invitationId}/revoke`;
    return this.calls.send(ClerkInvitation, { method: 'POST', path, body: { requesting_user_id: requestingUserId } });
  }
}
