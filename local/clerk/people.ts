/** A user in the shape of Clerk's Backend API (2026-05-12); times in milliseconds. */
export interface LocalUser {
  object: 'user';
  id: string;
  external_id: string | null;
  first_name: string | null;
  last_name: string | null;
  username: string | null;
  image_url: string;
  has_image: boolean;
  primary_email_address_id: string | null;
  primary_phone_number_id: null;
  primary_web3_wallet_id: null;
  email_addresses: {
    object: 'email_address';
    id: string;
    email_address: string;
    verification: object;
    linked_to: [];
  }[];
  phone_numbers: [];
  web3_wallets: [];
  external_accounts: [];
  public_metadata: object;
  private_metadata: object;
  unsafe_metadata: object;
  banned: boolean;
  locked: boolean;
  deprovisioned: boolean;
  last_sign_in_at: number | null;
  last_active_at: number | null;
  created_at: number;
  updated_at: number;
}

export interface LocalOrganization {
  id: string;
  name: string;
  slug: string;
  /** Role, without its `org:`, by user. */
  members: Record<string, 'admin' | 'member'>;
}

const SEEDED_AT = Date.UTC(2026, 0, 1);

/** A user with everything a sign-up gives it. */
export function localUser(id: string, firstName: string, lastName: string, email: string): LocalUser {
  const emailId = id.replace('user_', 'idn_');
  const verification = { status: 'verified', strategy: 'email_code' };
  return {
    object: 'user',
    id,
    external_id: null,
    first_name: firstName,
    last_name: lastName,
    username: null,
    image_url: `https://img.clerk.com/${id}`,
    has_image: false,
    primary_email_address_id: emailId,
    primary_phone_number_id: null,
    primary_web3_wallet_id: null,
    email_addresses: [{ object: 'email_address', id: emailId, email_address: email, verification, linked_to: [] }],
    phone_numbers: [],
    web3_wallets: [],
    external_accounts: [],
    public_metadata: {},
    private_metadata: {},
    unsafe_metadata: {},
    banned: false,
    locked: false,
    deprovisioned: false,
    last_sign_in_at: null,
    last_active_at: null,
    created_at: SEEDED_AT,
    updated_at: SEEDED_AT,
  };
}

export const SEEDED_USERS = [
  localUser('user_2local0000000000000000ada', 'Ada', 'Example', 'ada@example.com'),
  localUser('user_2local00000000000000grace', 'Grace', 'Example', 'grace@example.com'),
  localUser('user_2local000000000000000alan', 'Alan', 'Example', 'alan@example.com'),
];

const [ADA, GRACE, ALAN] = SEEDED_USERS.map(({ id }) => id) as [string, string, string];

export const SEEDED_ORGANIZATIONS: LocalOrganization[] = [
  { id: 'org_2local00000000000000000acme', name: 'Acme', slug: 'acme', members: { [ADA]: 'admin', [GRACE]: 'member' } },
  {
    id: 'org_2local000000000000000globex',
    name: 'Globex',
    slug: 'globex',
    members: { [GRACE]: 'admin', [ALAN]: 'member' },
  },
];
