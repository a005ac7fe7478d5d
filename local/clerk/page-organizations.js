import { billingLine } from './page-billing.js';
import { api, ask, button, card, change, line, show } from './page-parts.js';

const ROLES = ['org:member', 'org:admin'];

/** Who is in an organization, who is invited and what it pays for, with what can be done about it. */
export function organizationCard(organization, people, invitations, subscription) {
  const path = `organizations/${organization.id}`;
  const roleOf = (person) => person.organizations.find(({ id }) => id === organization.id)?.role;
  const members = people.filter(roleOf).map((person) => memberLine(path, person, roleOf(person)));
  const invited = invitations
    .filter((invitation) => invitation.organization_id === organization.id)
    .map((invitation) => invitationLine(path, invitation));
  const heading = `${organization.name} (${organization.slug})`;
  const billing = billingLine(path, subscription, 'pro');
  return card(heading, ...members, ...invited, changes(organization, people), billing);
}

function memberLine(path, person, role) {
  const own = `${path}/memberships/${person.id}`;
  const other = ROLES.find((known) => known !== `org:${role}`);
  return line(
    button('Remove', () => change('DELETE', own)),
    button(`Make ${other.slice(4)}`, () => change('PATCH', own, { role: other })),
    `${person.name || person.email}, ${role}`,
  );
}

function invitationLine(path, { id, email_address: address, role }) {
  const own = `${path}/invitations/${id}`;
  return line(
    button('Accept', () => change('POST', `${own}/accept`)),
    button('Revoke', () => change('POST', `${own}/revoke`)),
    `${address}, invited as ${role.slice(4)}`,
  );
}

function changes({ id }, people) {
  const path = `organizations/${id}`;
  return line(
    button('Add a member', () => addMember(path, people)),
    button('Invite', () => invite(path)),
    button('Create API key', () => createKey(id)),
    button('Delete', () => change('DELETE', path)),
  );
}

async function addMember(path, people) {
  const address = prompt('Whose address?');
  if (!address) return;
  const person = people.find(({ id, email }) => id === address || email === address);
  if (!person) throw new Error('Nobody has that address; invite it');
  await change('POST', `${path}/memberships`, { user_id: person.id, role: 'org:member' });
}

async function invite(path) {
  const address = prompt('Which address?');
  if (address) await change('POST', `${path}/invitations`, { email_address: address, role: 'org:member' });
}

async function createKey(subject) {
  const scopes = prompt('Which scopes, by comma?', 'projects:read,projects:write');
  if (scopes === null) return;
  const response = await ask('api-keys', { method: 'POST', body: new URLSearchParams({ subject, scopes }) });
  show(`curl -s ${api}/v1/projects -H 'Authorization: Bearer ${await response.text()}'`);
}
