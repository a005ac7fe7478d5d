import 'reflect-metadata';
import { createApp } from './app.ts';
import { readSettings } from './config/index.ts';
import { endWith } from './explain.ts';

try {
  const settings = readSettings();
  const app = await createApp(settings);
  app.enableShutdownHooks();
  await app.listen(settings.port, settings.host);
} catch (error) {
  endWith(error);
}
