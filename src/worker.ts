import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { createApp } from './app.ts';
import { readSettings } from './config/index.ts';
import { endOnSignal } from './end-on-signal.ts';
import { endWith } from './explain.ts';

/** The application without its server: jobs alone. */
try {
  const app = await createApp(readSettings());
  endOnSignal(app);
  await app.init();
  new Logger('Process').log('Working on jobs, without a server');
} catch (error) {
  endWith(error);
}
