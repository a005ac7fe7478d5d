import type { Directory } from './directory.ts';
import { derivedId } from './ids.ts';
import type { LocalOrganization } from './organization.ts';
import type { LocalUser } from './people.ts';

/** Who pays, a user or an organization, as Clerk's events show it: what the other would have is empty. */
export interface Payer {
  object: 'commerce_payer';
  id: string;
  user_id: string;
  first_name: string;
  last_name: string;
  email: string;
  organization_id: string;
  organization_name: string;
  image_url: string;
  created_at: number;
  updated_at: number;
}

/** By the id of the user or the organization; a refusal where there is none. */
export function payerOf(directory: Directory, id: string): Payer {
  return id.startsWith('user_') ? asUser(directory.user(id)) : asOrganization(directory.organizations.get(id));
}

function asUser({ id, primary_email_address_id: primary, ...user }: LocalUser): Payer {
  const email = user.email_addresses.find((address) => address.id === primary)?.email_address ?? '';
  const { first_name: first, last_name: last } = user;
  return { ...aPayer(id, user), user_id: id, first_name: first ?? '', last_name: last ?? '', email };
}

function asOrganization({ id, name, ...organization }: LocalOrganization): Payer {
  return { ...aPayer(id, organization), organization_id: id, organization_name: name };
}

function aPayer(id: string, of: { image_url: string; created_at: number; updated_at: number }): Payer {
  return {
    object: 'commerce_payer',
    id: derivedId('cpayer', id),
    user_id: '',
    first_name: '',
    last_name: '',
    email: '',
    organization_id: '',
    organization_name: '',
    image_url: of.image_url,
    created_at: of.created_at,
    updated_at: of.updated_at,
  };
}
