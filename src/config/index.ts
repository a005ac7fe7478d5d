export { ConfigModule, SETTINGS } from './config.module.ts';
export { environment, LOOPBACK_HOSTS, readOwnerUrl, readSettings, type Settings, SettingsError } from './settings.ts';
