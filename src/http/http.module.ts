import { Global, Module } from '@nestjs/common';
import { ShutdownLimit } from './connections.ts';
import { Metrics } from './metrics.service.ts';
import { ProblemsController } from './problems.controller.ts';

@Global()
@Module({ controllers: [ProblemsController], providers: [ShutdownLimit, Metrics], exports: [Metrics] })
export class HttpModule {}
