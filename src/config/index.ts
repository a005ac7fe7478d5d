export { ConfigModule, SETTINGS } from './config.module.ts';
export { databaseConnection } from './database-address.ts';
export { environment, readOwnerUrl, readSettings, type Settings, SettingsError } from './settings.ts';
