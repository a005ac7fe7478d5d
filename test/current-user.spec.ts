import { beforeAll, describe, expect, it } from '@jest/globals';
import { EntityManager } from '@mikro-orm/postgresql';
import { Body, Controller, Module, Post } from '@nestjs/common';
import { z } from 'zod';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { readSettings } from '../src/config/index.ts';
import { CurrentUser, User } from '../src/users/index.ts';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

const Theme = z.object({ theme: z.string(), save: z.boolean() });

/** What a team writes: it changes the entity and flushes, and knows nothing of memory or change log. */
@Controller('themes')
class ThemesController {
  constructor(private readonly em: EntityManager) {}

  @Post()
  async choose(@CurrentUser() user: User, @Body({ schema: Theme }) { theme, save }: z.infer<typeof Theme>) {
    const before = user.settings.theme ?? null;
    user.settings.theme = theme;
    user.createdAt.setFullYear(1999);
    user.createdAt = new Date(user.createdAt);
    if (save) await this.em.flush();
    return { before, isManaged: this.em.getUnitOfWork().getIdentityMap().values().includes(user) };
  }
}

let clerk: TestClerk;
let app: TestApp;
let other: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  const withThemes = (env: Record<string, string>) => {
    @Module({ imports: modulesOf(readSettings(env)), providers: requestChain, controllers: [ThemesController] })
    class TestModule {}
    return TestModule;
  };
  app = await startApp(clerk, {}, undefined, withThemes);
  other = await startApp(clerk, {}, app.database, withThemes);
});

const choose = (each: TestApp, token: string, theme: string, save = true) =>
  each.as(token, '/themes', { method: 'POST', body: { theme, save } });
const settingsOf = async (each: TestApp, token: string) =>
  ((await each.as(token, '/v1/me')).body.user as { settings: object }).settings;

describe('@CurrentUser()', () => {
  it('gives an entity whose changes are saved and announced by a plain flush', async () => {
    const token = clerk.aToken({ sub: clerk.aUser().id });
    await other.as(token, '/v1/me');
    const { status, body } = await choose(app, token, 'dark');
    expect([status, body]).toEqual([201, { before: null, isManaged: true }]);
    expect(await settingsOf(app, token)).toEqual({ theme: 'dark' });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await settingsOf(other, token)).toEqual({ theme: 'dark' });
  });

  it('shares nothing with other requests, saved or not', async () => {
    const token = clerk.aToken({ sub: clerk.aUser().id });
    await choose(app, token, 'light');
    for (let i = 0; i < 3; i++)
      expect((await choose(app, token, `unsaved ${i}`, false)).body).toMatchObject({ before: 'light' });
    expect(await settingsOf(app, token)).toEqual({ theme: 'light' });
  });

  it('runs no SQL for a user that is known', async () => {
    const token = clerk.aToken({ sub: clerk.aUser().id });
    await app.as(token, '/v1/me');
    const statements = async () =>
      (
        await app.database.query<{ n: string }>(
          'select xact_commit + xact_rollback as n from pg_stat_database where datname = current_database()',
        )
      )[0]?.n;
    await new Promise((resolve) => setTimeout(resolve, 1200));
    const before = Number(await statements());
    for (let i = 0; i < 200; i++) await choose(app, token, 'x', false);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    // what is left are the readers of the change log, twice a second each
    expect(Number(await statements()) - before).toBeLessThan(50);
  });
});
