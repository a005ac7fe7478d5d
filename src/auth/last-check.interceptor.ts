import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request } from 'express';
import type { Observable } from 'rxjs';
import { Problem } from '../http/index.ts';
import { Access } from './access.service.ts';

/**
 * Asks once more whether the user may call, as the last thing before the handler: the body takes as long as its sender
 * likes, and the tenant of a caller who is new here may have to wait for the database.
 */
@Injectable()
export class LastCheckInterceptor implements NestInterceptor {
  constructor(private readonly access: Access) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const { principal } = context.switchToHttp().getRequest<Request>();
    const refused = principal !== undefined && this.access.isRefused(principal);
    if (typeof refused === 'boolean' ? refused : await refused) throw new Problem('token_revoked');
    return next.handle();
  }
}
