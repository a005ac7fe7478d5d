import { EntityManager } from '@mikro-orm/postgresql';
import { createParamDecorator, type ExecutionContext, Injectable, type PipeTransform } from '@nestjs/common';
import { type Principal, principalIn } from '../auth/index.ts';
import { mergeRow } from '../database/index.ts';
import { User } from './user.entity.ts';
import { UsersService } from './users.service.ts';

@Injectable()
class CurrentUserPipe implements PipeTransform<Principal, Promise<User>> {
  constructor(
    private readonly users: UsersService,
    private readonly em: EntityManager,
  ) {}

  async transform(principal: Principal): Promise<User> {
    const { row } = await this.users.findOrCreate(principal);
    return mergeRow(this.em, User, row);
  }
}

const principalOfCaller = createParamDecorator((_: unknown, context: ExecutionContext) => principalIn(context));

/** The caller as a `User`, found or created; managed by the request's EntityManager, so that changes to it are saved. */
export const CurrentUser = () => principalOfCaller(CurrentUserPipe);
