import 'reflect-metadata';
import { createApp } from './app.ts';
import { readSettings, SettingsError } from './config/index.ts';
import { WrongRoleError } from './database/index.ts';

try {
  const settings = readSettings();
  const app = await createApp(settings);
  app.enableShutdownHooks();
  await app.listen(settings.port, settings.host);
} catch (error) {
  console.error(explain(error));
  process.exit(1);
}

/** What an operator can mend gets its sentence; anything else its stack. */
function explain(error: unknown): unknown {
  if (error instanceof SettingsError || error instanceof WrongRoleError) return error.message;
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  if (code === 'EADDRINUSE') return `PORT: ${port} is already in use; set another, or stop what listens there`;
  return error;
}
