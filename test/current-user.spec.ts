import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { EntityManager } from '@mikro-orm/postgresql';
import { Body, Controller, Module, Post } from '@nestjs/common';
import { z } from 'zod';
import { modulesOf, requestChain } from '../src/app.module.ts';
import { CurrentPrincipal, type SessionPrincipal } from '../src/auth/index.ts';
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

/** A handler that asks for the principal alone. */
@Controller('notes')
class NotesController {
  @Post()
  write(
    @CurrentPrincipal() { sessionId }: SessionPrincipal,
    @Body({ schema: z.object({ text: z.string() }) }) note: object,
  ) {
    return { sessionId, note };
  }
}

let clerk: TestClerk;
let app: TestApp;
let other: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  const withThemes = (env: Record<string, string>) => {
    @Module({
      imports: modulesOf(readSettings(env)),
      providers: requestChain,
      controllers: [ThemesController, NotesController],
    })
    class TestModule {}
    return TestModule;
  };
  app = await startApp(clerk, {}, undefined, withThemes);
  other = await startApp(clerk, {}, app.database, withThemes);
});

const choose = (each: TestApp, token: string, theme: string, save = true) =>
  each.as(token, '/themes', { method: 'POST', body: { theme, save } });
/** Sends the head and half of the body, and the rest once `meanwhile` is over; answers the status line and all after it. */
async function drip(url: string, token: string, meanwhile: () => Promise<unknown>): Promise<string> {
  const body = JSON.stringify({ text: 'slow' });
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(
    `POST /notes HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
  );
  await meanwhile();
  socket.write(body.slice(5));
  return text(socket);
}

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
    // one for each request would be 200; what there is are the readers of the change log and of the jobs
    expect(Number(await statements()) - before).toBeLessThan(200);
  });
});

describe('a body that comes slowly', () => {
  it('does not outlive the access of its sender', async () => {
    const { id } = clerk.aUser();
    const token = clerk.aToken({ sub: id });
    expect(await drip(app.url, token, async () => undefined)).toMatch(/^HTTP\/1.1 201 /);
    const banned = drip(app.url, token, async () => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await app.database.query(
        `with banned as (update users set banned_at = now() where clerk_id = $1) insert into changes (topic, key) values ('user', $1)`,
        [id],
      );
      await new Promise((resolve) => setTimeout(resolve, 800));
    });
    expect(await banned).toMatch(/^HTTP\/1.1 401 .*"code":"token_revoked"/s);
  });
});
