import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Observable } from 'rxjs';
import { CONSUMING } from './consumes.decorator.ts';
import { Consumptions } from './consumptions.service.ts';
import { Payers } from './payers.service.ts';
import { rateLimitHeaders } from './usage-reading.ts';

/** Lets what a request calls consume, for its tenant or else its user, and tells what is left. */
@Injectable()
export class ConsumptionInterceptor implements NestInterceptor {
  constructor(
    private readonly consumptions: Consumptions,
    private readonly payers: Payers,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const [request, response] = [http.getRequest<Request>(), http.getResponse<Response>()];
    const consume = async <T>(meter: string, work: () => Promise<T>) => {
      const { result, reading } = await this.consumptions.during(await this.payers.of(request), meter, work);
      if (!response.headersSent)
        for (const [name, value] of Object.entries(rateLimitHeaders(reading))) response.append(name, value);
      return result;
    };
    return CONSUMING.run(consume, () => next.handle());
  }
}
