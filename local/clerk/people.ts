/** A user in the shape of Clerk's Backend API (2026-05-12); times in milliseconds. */
export interface LocalUser {
  object: 'user';
  id: string;
  external_id: string | null;
  first_name: string | null;
  last_name: string | null;
  username: string | null;
  locale: string | null;
  image_url: string;
  has_image: boolean;
  primary_email_address_id: string | null;
  primary_phone_number_id: string | null;
  primary_web3_wallet_id: null;
  email_addresses: LocalEmail[];
  phone_numbers: object[];
  web3_wallets: [];
  passkeys: [];
  external_accounts: [];
  saml_accounts: [];
  enterprise_accounts: [];
  public_metadata: object;
  private_metadata: object;
  unsafe_metadata: object;
  password_enabled: boolean;
  two_factor_enabled: boolean;
  totp_enabled: boolean;
  backup_code_enabled: boolean;
  mfa_enabled_at: null;
  mfa_disabled_at: null;
  banned: boolean;
  locked: boolean;
  deprovisioned: boolean;
  lockout_expires_in_seconds: null;
  verification_attempts_remaining: null;
  delete_self_enabled: boolean;
  create_organization_enabled: boolean;
  last_sign_in_at: number | null;
  last_active_at: number | null;
  legal_accepted_at: null;
  created_at: number;
  updated_at: number;
}

interface LocalEmail {
  object: 'email_address';
  id: string;
  email_address: string;
  reserved: boolean;
  verification: object;
  linked_to: [];
  created_at: number;
  updated_at: number;
}

/** An organization to begin with, and who is in it. */
export interface SeededOrganization {
  id: string;
  name: string;
  slug: string;
  /** Role, without its `org:`, by user. */
  members: Record<string, 'admin' | 'member'>;
}

export const SEEDED_AT = Date.UTC(2026, 0, 1);

/** A user with everything a sign-up gives it. */
export function localUser(id: string, firstName: string, lastName: string, email: string): LocalUser {
  return {
    ...aPerson(id, SEEDED_AT),
    first_name: firstName,
    last_name: lastName,
    ...withEmails(id, [email], SEEDED_AT),
  };
}

/** Verified addresses, of which the first is the primary one. */
export function withEmails(
  userId: string,
  emails: string[],
  at: number,
): Pick<LocalUser, 'email_addresses' | 'primary_email_address_id'> {
  const addresses = emails.map((email, index) =>
    localEmail(`${userId.replace('user_', 'idn_')}${index || ''}`, email, at),
  );
  return { email_addresses: addresses, primary_email_address_id: addresses[0]?.id ?? null };
}

/** A user of whom nothing is known. */
export function aPerson(id: string, at: number): LocalUser {
  return {
    object: 'user',
    id,
    external_id: null,
    first_name: null,
    last_name: null,
    username: null,
    locale: null,
    image_url: `https://img.clerk.com/${id}`,
    has_image: false,
    primary_email_address_id: null,
    primary_phone_number_id: null,
    primary_web3_wallet_id: null,
    email_addresses: [],
    phone_numbers: [],
    web3_wallets: [],
    passkeys: [],
    external_accounts: [],
    saml_accounts: [],
    enterprise_accounts: [],
    public_metadata: {},
    private_metadata: {},
    unsafe_metadata: {},
    password_enabled: false,
    two_factor_enabled: false,
    totp_enabled: false,
    backup_code_enabled: false,
    mfa_enabled_at: null,
    mfa_disabled_at: null,
    banned: false,
    locked: false,
    deprovisioned: false,
    lockout_expires_in_seconds: null,
    verification_attempts_remaining: null,
    delete_self_enabled: true,
    create_organization_enabled: true,
    last_sign_in_at: null,
    last_active_at: null,
    legal_accepted_at: null,
    created_at: at,
    updated_at: at,
  };
}

function localEmail(id: string, email: string, at: number): LocalEmail {
  return {
    object: 'email_address',
    id,
    email_address: email,
    reserved: false,
    verification: { status: 'verified', strategy: 'email_code', attempts: null, expire_at: null },
    linked_to: [],
    created_at: at,
    updated_at: at,
  };
}

export const SEEDED_USERS = [
  localUser('user_2local0000000000000000ada', 'Ada', 'Example', 'ada@example.com'),
  localUser('user_2local00000000000000grace', 'Grace', 'Example', 'grace@example.com'),
  localUser('user_2local000000000000000alan', 'Alan', 'Example', 'alan@example.com'),
];

const [ADA, GRACE, ALAN] = SEEDED_USERS.map(({ id }) => id) as [string, string, string];

export const SEEDED_ORGANIZATIONS: SeededOrganization[] = [
  { id: 'org_2local00000000000000000acme', name: 'Acme', slug: 'acme', members: { [ADA]: 'admin', [GRACE]: 'member' } },
  {
    id: 'org_2local000000000000000globex',
    name: 'Globex',
    slug: 'globex',
    members: { [GRACE]: 'admin', [ALAN]: 'member' },
  },
];
