import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request } from 'express';
import type { Observable } from 'rxjs';
import { Problem } from '../http/index.ts';
import { Access } from './access.service.ts';

/** Asks once more whether the user may call, after the body has arrived: its sender sets how long that takes. */
@Injectable()
export class LastCheckInterceptor implements NestInterceptor {
  constructor(private readonly access: Access) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<Request>();
    const { principal } = request;
    if (principal && request.body !== undefined && (await this.access.isRefused(principal.claims)))
      throw new Problem('token_revoked');
    return next.handle();
  }
}
