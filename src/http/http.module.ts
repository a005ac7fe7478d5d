import { Module } from '@nestjs/common';
import { ShutdownLimit } from './connections.ts';
import { ProblemsController } from './problems.controller.ts';

@Module({ controllers: [ProblemsController], providers: [ShutdownLimit] })
export class HttpModule {}
