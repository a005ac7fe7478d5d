export { CurrentUser } from './current-user.decorator.ts';
export { User } from './user.entity.ts';
export type { UserSnapshot } from './user-snapshot.ts';
export { UsersModule } from './users.module.ts';
export { UsersService } from './users.service.ts';
