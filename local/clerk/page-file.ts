import { readFileSync } from 'node:fs';
import { type Answer, notImplemented, ok } from './answers.ts';

const PAGE = ['page.html', 'page.js', 'page-parts.js', 'page-organizations.js', 'page-billing.js'];

/** A file of the page, which shows nothing without the secret. */
export function pageFile(method: string | undefined, path: string): Answer {
  const file = PAGE.find((name) => path === (name === 'page.html' ? '/' : `/${name}`));
  if (!file) throw notImplemented(`${method} ${path}`);
  return ok(readFileSync(new URL(file, import.meta.url)));
}
