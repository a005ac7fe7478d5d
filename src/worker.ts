import 'reflect-metadata';
import { createApp } from './app.ts';
import { readSettings } from './config/index.ts';
import { endWith } from './explain.ts';

/** The application without its server: jobs alone. */
try {
  const app = await createApp(readSettings());
  app.enableShutdownHooks();
  await app.init();
} catch (error) {
  endWith(error);
}
