import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { SETTINGS, type Settings } from '../config/index.ts';
import { clerkPath, queryOf } from './clerk-http.ts';
import { ClerkMembership } from './clerk-membership.schema.ts';
import { ClerkOrganization } from './clerk-organization.schema.ts';
import { ClerkPatience } from './clerk-patience.ts';
import { ClerkUser } from './clerk-user.schema.ts';
import { ClerkId } from './clerk-values.schema.ts';
import { readable, type Unreadable } from './readable.ts';

/** The most that Clerk gives of a list, and takes of ids. */
const PAGE = 500;
export const MAX_IDS = 100;

const Count = z.looseObject({ total_count: z.number() });
const Identified = z.looseObject({ id: ClerkId });
const Users = z.array(readable(ClerkUser));
const Organizations = z.looseObject({ data: z.array(readable(ClerkOrganization)) });
const Memberships = z.looseObject({ data: z.array(readable(ClerkMembership)) });

/** Each in its place, also what cannot be read. */
type Listed<Item> = (Item | Unreadable)[];

/**
 * Clerk's Backend API for who reads all of it: at half of Clerk's limit, and patient, because nobody waits. Not through the
 * SDK, which makes two calls for a page, and whose calls cannot be ended. It shares nothing with the calls of requests.
 */
@Injectable()
export class ClerkReader {
  readonly #clerk: ClerkPatience;

  constructor(em: EntityManager, @Inject(SETTINGS) settings: Settings) {
    this.#clerk = new ClerkPatience(em, settings);
  }

  /** A page of the users, by creation: of those created after that time in milliseconds, without the first `offset`. */
  async usersCreatedAfter(time: number, offset: number, signal?: AbortSignal): Promise<Listed<ClerkUser>> {
    const query = { order_by: '+created_at', created_at_after: time, offset, limit: PAGE };
    return this.#clerk.get(Users, `/users?${queryOf(query)}`, signal);
  }

  /** Those of at most 100 users that are there. */
  async usersOf(ids: string[], signal?: AbortSignal): Promise<Listed<ClerkUser>> {
    return this.#clerk.get(Users, `/users?${queryOf({ user_id: ids, limit: MAX_IDS })}`, signal);
  }

  async user(id: string, signal?: AbortSignal): Promise<ClerkUser | Unreadable | 'absent'> {
    return this.#clerk.find(readable(ClerkUser), clerkPath`/users/${id}`, signal);
  }

  async countUsers(signal?: AbortSignal): Promise<number> {
    return (await this.#clerk.get(Count, '/users/count', signal)).total_count;
  }

  /** A page of the organizations, by creation, without the first `offset`: Clerk has no filter by time for them. */
  async organizations(offset: number, signal?: AbortSignal): Promise<Listed<ClerkOrganization>> {
    const query = queryOf({ order_by: '+created_at', offset, limit: PAGE });
    return (await this.#clerk.get(Organizations, `/organizations?${query}`, signal)).data;
  }

  /** Those of at most 100 organizations that are there. */
  async organizationsOf(ids: string[], signal?: AbortSignal): Promise<Listed<ClerkOrganization>> {
    const query = queryOf({ organization_id: ids, limit: MAX_IDS });
    return (await this.#clerk.get(Organizations, `/organizations?${query}`, signal)).data;
  }

  async organization(id: string, signal?: AbortSignal): Promise<ClerkOrganization | Unreadable | 'absent'> {
    return this.#clerk.find(readable(ClerkOrganization), clerkPath`/organizations/${id}`, signal);
  }

  async countOrganizations(signal?: AbortSignal): Promise<number> {
    return (await this.#clerk.get(Count, '/organizations?limit=1', signal)).total_count;
  }

  /** A page of the memberships of all organizations, by creation; its walk is as that of the organizations. */
  async memberships(offset: number, signal?: AbortSignal): Promise<Listed<ClerkMembership>> {
    const query = queryOf({ order_by: '+created_at', offset, limit: PAGE });
    return (await this.#clerk.get(Memberships, `/organization_memberships?${query}`, signal)).data;
  }

  /** Those that at most 100 users have in the organization, or `absent` when there is no such organization. */
  async membershipsOf(
    organizationId: string,
    userIds: string[],
    signal?: AbortSignal,
  ): Promise<Listed<ClerkMembership> | 'absent'> {
    const path = clerkPath`/organizations/${organizationId}/memberships`;
    const query = queryOf({ user_id: userIds, limit: MAX_IDS });
    const found = await this.#clerk.find(Memberships, `${path}?${query}`, signal);
    return found === 'absent' ? found : found.data;
  }

  /** A page of those of one organization, by creation. */
  async membersOf(organizationId: string, offset: number, signal?: AbortSignal): Promise<Listed<ClerkMembership>> {
    const path = clerkPath`/organizations/${organizationId}/memberships`;
    const query = queryOf({ order_by: '+created_at', offset, limit: PAGE });
    return (await this.#clerk.get(Memberships, `${path}?${query}`, signal)).data;
  }

  async countMemberships(signal?: AbortSignal): Promise<number> {
    return (await this.#clerk.get(Count, '/organization_memberships?limit=1', signal)).total_count;
  }

  /** The id of the instance that the secret key belongs to. */
  async instanceId(signal?: AbortSignal): Promise<string> {
    return (await this.#clerk.get(Identified, '/instance', signal)).id;
  }
}
