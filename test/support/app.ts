import 'reflect-metadata';
import { MikroORM } from '@mikro-orm/postgresql';
import type { Type } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createApp } from '../../src/app.ts';
import { readSettings } from '../../src/config/index.ts';
import { DatabaseStartup } from '../../src/database/index.ts';
import type { TestClerk } from './clerk.ts';
import { onClose } from './closing.ts';
import { createDatabase, type TestDatabase } from './database.ts';
import { type Answer, type Call, call } from './http.ts';

const PLANS = '/v1/billing/plans';
const TURN_MS = 5;
const MAX_TURNS = 400;

/** The real application, listening, on a database of its own. */
export interface TestApp {
  app: NestExpressApplication;
  database: TestDatabase;
  orm: MikroORM;
  url: string;
  call(path: string, call?: Call): Promise<Answer>;
  /** A call with this token. */
  as(token: string, path: string, call?: Call): Promise<Answer>;
}

export async function startApp(
  clerk: TestClerk,
  env: Record<string, string> = {},
  database?: TestDatabase,
  moduleOf?: (env: Record<string, string>) => Type,
): Promise<TestApp> {
  const own = database ?? (await createDatabase());
  const all = withoutEmpty({ ...environmentOf(clerk, own), ...env });
  const app = await createApp(readSettings(all), moduleOf?.(all));
  onClose(() => app.close());
  const asked = clerk.callsTo(PLANS);
  await app.listen(0, '127.0.0.1');
  if (!app.get(DatabaseStartup).waitingFor) await untilAsked(clerk, asked + 1);
  const url = await app.getUrl();
  return {
    app,
    database: own,
    orm: app.get(MikroORM),
    url,
    call: (path, options) => call(`${url}${path}`, options),
    as: (token, path, options) =>
      call(`${url}${path}`, { ...options, headers: { authorization: `Bearer ${token}`, ...options?.headers } }),
  };
}

/** What a start asks beside it comes before what a test counts or makes fail; a Clerk that is away is not waited for. */
async function untilAsked(clerk: TestClerk, calls: number): Promise<void> {
  for (let turn = 0; turn < MAX_TURNS && clerk.isListening && clerk.callsTo(PLANS) < calls; turn++)
    await new Promise((resolve) => setTimeout(resolve, TURN_MS));
}

/** An empty value counts as unset, as in the environment of a process. */
function withoutEmpty(env: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}

export function environmentOf(clerk: TestClerk, database: TestDatabase): Record<string, string> {
  return {
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    DATABASE_URL: database.url,
    DATABASE_OWNER_URL: database.ownerUrl,
    ...clerk.env,
  };
}
