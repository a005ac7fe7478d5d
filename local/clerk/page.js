// The secret and the address of the API come in the fragment of the printed link, which no server sees.
const fragment = new URLSearchParams(location.hash.slice(1));
const api = fragment.get('api') ?? 'http://127.0.0.1:3000';
const headers = { 'x-local-secret': fragment.get('secret') ?? '' };
const main = document.querySelector('main');
const output = document.querySelector('output');

const show = (text) => {
  output.hidden = false;
  output.textContent = text;
};

async function token(user, organization) {
  const body = new URLSearchParams({ user_id: user.id, organization_id: organization?.id ?? '' });
  const response = await fetch('/local/tokens', { method: 'POST', headers, body });
  return response.text();
}

async function copy(text) {
  show(text);
  await navigator.clipboard.writeText(text);
}

function button(label, onClick) {
  const element = document.createElement('button');
  element.textContent = label;
  element.addEventListener('click', () => onClick().catch((error) => show(String(error))));
  return element;
}

function row(user, organization) {
  const element = document.createElement('p');
  element.className = 'row';
  const curl = async () => `curl -s ${api}/v1/me -H 'Authorization: Bearer ${await token(user, organization)}'`;
  element.append(
    button('Copy token', async () => copy(await token(user, organization))),
    button('Copy curl', async () => copy(await curl())),
    organization ? `in ${organization.name}, ${organization.role}` : 'with no organization',
  );
  return element;
}

function card(user) {
  const element = document.createElement('article');
  const title = document.createElement('h2');
  title.textContent = `${user.name} (${user.email})`;
  element.append(title, row(user), ...user.organizations.map((organization) => row(user, organization)));
  return element;
}

const response = await fetch('/local/people', { headers });
if (response.ok) main.append(...(await response.json()).map(card));
else show('This page needs the link that npm start printed: the part after # is its key.');
