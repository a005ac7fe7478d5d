export { CurrentUser } from './current-user.decorator.ts';
export { nameOfUser, User } from './user.entity.ts';
export { factsOfClaims, factsOfPublicData } from './user-facts.ts';
export { UserMirror } from './user-mirror.service.ts';
export type { UserSnapshot } from './user-snapshot.ts';
export { userSubject } from './user-subject.ts';
export { UsersModule } from './users.module.ts';
export { UsersService } from './users.service.ts';
