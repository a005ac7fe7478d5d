import { billingLine, subscriptionOf } from './page-billing.js';
import { organizationCard } from './page-organizations.js';
import { api, ask, button, card, change, line, show } from './page-parts.js';

const main = document.querySelector('main');

async function token(user, organization) {
  const body = new URLSearchParams({ user_id: user.id, organization_id: organization?.id ?? '' });
  const response = await ask('tokens', { method: 'POST', body });
  await refresh();
  return response.text();
}

async function copy(text) {
  show(text);
  await navigator.clipboard.writeText(text);
}

function row(user, organization) {
  const curl = async () => `curl -s ${api}/v1/me -H 'Authorization: Bearer ${await token(user, organization)}'`;
  return line(
    button('Copy token', async () => copy(await token(user, organization))),
    button('Copy curl', async () => copy(await curl())),
    organization ? `in ${organization.name}, ${organization.role}` : 'with no organization',
  );
}

async function rename(user) {
  const name = prompt('First and last name', user.name);
  if (name === null) return;
  const [first, ...last] = name.trim().split(/\s+/);
  await change('PATCH', `users/${user.id}`, { first_name: first ?? '', last_name: last.join(' ') });
}

async function found(user) {
  const name = prompt('Name of the organization');
  if (name) await change('POST', 'organizations', { name, created_by: user.id });
}

function changes(user) {
  const ban = user.banned ? 'unban' : 'ban';
  return line(
    button(user.banned ? 'Unban' : 'Ban', () => change('POST', `users/${user.id}/${ban}`)),
    button(`Sign out everywhere (${user.sessions})`, () => change('POST', `users/${user.id}/sign-out`)),
    button('Change name', () => rename(user)),
    button('Create organization', () => found(user)),
    button('Delete', () => change('DELETE', `users/${user.id}`)),
  );
}

function personCard(user, subscription) {
  const organizations = user.organizations.map((organization) => row(user, organization));
  const heading = `${user.name} (${user.email ?? user.id})${user.banned ? ', banned' : ''}`;
  const billing = billingLine(`users/${user.id}`, subscription, 'plus');
  return card(heading, row(user), ...organizations, changes(user), billing);
}

async function refresh() {
  const paths = ['people', 'organizations?limit=500', 'organization_invitations?status=pending&limit=500'];
  const responses = await Promise.all(paths.map((path) => ask(path)));
  const [people, organizations, invitations] = await Promise.all(responses.map((response) => response.json()));
  const [own, theirs] = await Promise.all([
    Promise.all(people.map(({ id }) => subscriptionOf(`users/${id}`))),
    Promise.all(organizations.data.map(({ id }) => subscriptionOf(`organizations/${id}`))),
  ]);
  main.replaceChildren(
    ...people.map((person, index) => personCard(person, own[index])),
    ...organizations.data.map((organization, index) =>
      organizationCard(organization, people, invitations.data, theirs[index]),
    ),
  );
}

addEventListener('changed', () => void refresh().catch((error) => show(String(error))));
await refresh().catch(() => show('This page needs the link that npm start printed: the part after # is its key.'));
