export { ChangeLog } from './change-log.service.ts';
export { DatabaseModule } from './database.module.ts';
export { DatabaseStartup, WrongRoleError } from './database-startup.service.ts';
export { deepFreeze } from './deep-freeze.ts';
export { Remembered } from './remembered.ts';
export { transaction } from './transaction.ts';
export { isDatabaseUnavailable } from './unavailable.ts';
