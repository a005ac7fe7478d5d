import { createParamDecorator, type ExecutionContext, Injectable, type PipeTransform } from '@nestjs/common';
import type { Request } from 'express';
import type { Payer } from './payer.ts';
import { Payers } from './payers.service.ts';

@Injectable()
class CurrentPayerPipe implements PipeTransform<Request, Promise<Payer>> {
  constructor(private readonly payers: Payers) {}

  transform(request: Request): Promise<Payer> {
    return this.payers.of(request);
  }
}

const CurrentRequest = createParamDecorator((_: unknown, context: ExecutionContext) =>
  context.switchToHttp().getRequest<Request>(),
);

/** Who pays for the request: the tenant that is active, else the user. */
export const CurrentPayer = () => CurrentRequest(CurrentPayerPipe);
