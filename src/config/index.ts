export { ConfigModule, SETTINGS } from './config.module.ts';
export { environment, readSettings, type Settings, SettingsError } from './settings.ts';
