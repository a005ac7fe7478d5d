import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import { createApp } from './app.ts';
import { readSettings } from './config/index.ts';
import { endOnSignal } from './end-on-signal.ts';
import { endWith } from './explain.ts';

export async function startServer(): Promise<void> {
  try {
    const settings = readSettings();
    const app = await createApp(settings);
    endOnSignal(app, settings.shutdownDelayMs);
    await app.listen(settings.port, settings.host);
    const { address, family, port } = app.getHttpServer().address() as AddressInfo;
    new Logger('Process').log(`Listening on http://${family === 'IPv6' ? `[${address}]` : address}:${port}`);
  } catch (error) {
    endWith(error);
  }
}

/** The application without its server: jobs alone. */
export async function startWorker(): Promise<void> {
  try {
    const app = await createApp(readSettings());
    endOnSignal(app);
    await app.init();
    new Logger('Process').log('Working on jobs, without a server');
  } catch (error) {
    endWith(error);
  }
}
