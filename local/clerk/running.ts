import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeSecret } from '../paths.ts';

const TIMEOUT_MS = 1000;

type Environment = Record<string, string>;

/** Says to other commands of this clone how to reach the local Clerk that runs. */
export function announce(folder: string, env: Environment): void {
  // the mode holds for a new file only
  rmSync(fileIn(folder), { force: true });
  writeSecret(fileIn(folder), JSON.stringify(env));
}

/** Takes back what was announced, unless another has announced itself since. */
export function withdraw(folder: string, env: Environment): void {
  if (announced(folder)?.CLERK_SECRET_KEY === env.CLERK_SECRET_KEY) rmSync(fileIn(folder), { force: true });
}

/** The settings of the local Clerk that runs, if one does and answers. */
export async function runningClerk(folder: string): Promise<Environment> {
  const env = announced(folder);
  return env && (await answers(env)) ? env : {};
}

function announced(folder: string): Environment | undefined {
  if (!existsSync(fileIn(folder))) return undefined;
  try {
    return JSON.parse(readFileSync(fileIn(folder), 'utf8')) as Environment;
  } catch {
    // half written, or gone since
    return undefined;
  }
}

async function answers({ CLERK_API_URL: url, CLERK_SECRET_KEY: key }: Environment): Promise<boolean> {
  try {
    const headers = { authorization: `Bearer ${key}` };
    return (await fetch(`${url}/v1/instance`, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) })).ok;
  } catch {
    return false;
  }
}

function fileIn(folder: string): string {
  return join(folder, 'running.json');
}
