import { Module } from '@nestjs/common';
import { MeController } from './me.controller.ts';
import { SessionsController } from './sessions.controller.ts';
import { SessionsService } from './sessions.service.ts';

@Module({ controllers: [MeController, SessionsController], providers: [SessionsService] })
export class MeModule {}
