import { Global, Module } from '@nestjs/common';
import { UserStates } from '../auth/index.ts';
import { UserEvents } from './user-events.service.ts';
import { UserMirror } from './user-mirror.service.ts';
import { UsersService } from './users.service.ts';

@Global()
@Module({
  providers: [UserMirror, UserEvents, UsersService, { provide: UserStates, useExisting: UsersService }],
  exports: [UserMirror, UsersService, UserStates],
})
export class UsersModule {}
