// The secret and the address of the API come in the fragment of the printed link, which no server sees.
const fragment = new URLSearchParams(location.hash.slice(1));
for (const [name, value] of fragment) sessionStorage.setItem(name, value);
// the address bar and the history keep no secret; the tab does, so that it can be loaded again
history.replaceState(null, '', location.pathname);
const headers = { 'x-local-secret': sessionStorage.getItem('secret') ?? '' };
const output = document.querySelector('output');

export const api = sessionStorage.getItem('api') ?? 'http://127.0.0.1:3000';

export function show(text) {
  output.hidden = false;
  output.textContent = text;
}

export async function ask(path, options) {
  const response = await fetch(`/local/${path}`, { headers, ...options });
  if (response.ok) return response;
  const { errors } = await response.json();
  throw new Error(errors[0].message);
}

/** Asks for a change, after which the page shows what is so now. */
export async function change(method, path, body) {
  await ask(path, { method, body: body && JSON.stringify(body) });
  dispatchEvent(new Event('changed'));
}

export function button(label, onClick) {
  const element = document.createElement('button');
  element.textContent = label;
  element.addEventListener('click', () => onClick().catch((error) => show(String(error))));
  return element;
}

export function line(...content) {
  const element = document.createElement('p');
  element.className = 'row';
  element.append(...content);
  return element;
}

export function card(heading, ...content) {
  const element = document.createElement('article');
  const title = document.createElement('h2');
  title.textContent = heading;
  element.append(title, ...content);
  return element;
}
