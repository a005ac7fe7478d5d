/**
 * The built server with one more module: a feature whose handler writes a row for each event of a user, so that its effects
 * can be counted. `node test/drill/server.ts DIST`; no syntax of decorators, since Node only strips types.
 */
import 'reflect-metadata';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { EntityManager } from '@mikro-orm/postgresql';

type Note = DrillFeature['note'];

const load = <T>(file: string) =>
  import(pathToFileURL(join(process.argv[2] ?? 'dist', 'src', file)).href) as Promise<T>;
const { createApp } = await load<typeof import('../../src/app.ts')>('app.js');
const { modulesOf, requestChain } = await load<typeof import('../../src/app.module.ts')>('app.module.js');
const { OnClerkEvent } = await load<typeof import('../../src/clerk/index.ts')>('clerk/index.js');
const { readSettings } = await load<typeof import('../../src/config/index.ts')>('config/index.js');

/** A module is a provider, too. */
class DrillFeature {
  async note({ id }: { id: string }, em: EntityManager): Promise<void> {
    await em.execute('insert into drill_effects (event_id) values (?)', [id]);
  }
}

const note = Object.getOwnPropertyDescriptor(DrillFeature.prototype, 'note') as TypedPropertyDescriptor<Note>;
OnClerkEvent('user.created', 'user.updated', 'user.deleted')(DrillFeature.prototype, 'note', note);

const settings = readSettings();
const app = await createApp(settings, {
  module: DrillFeature,
  imports: modulesOf(settings),
  providers: requestChain,
});
app.enableShutdownHooks();
await app.listen(settings.port, settings.host);
