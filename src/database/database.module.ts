import { MikroOrmModule } from '@mikro-orm/nestjs';
import type { Options } from '@mikro-orm/postgresql';
import { type DynamicModule, Module } from '@nestjs/common';
import { ChangeLog } from './change-log.service.ts';
import { DatabaseStartup, OWNER_OPTIONS } from './database-startup.service.ts';
import { Pruning } from './pruning.service.ts';

@Module({})
export class DatabaseModule {
  /** The ORM's options of the runtime role and of the owner. */
  static with(runtime: Options, owner: Options): DynamicModule {
    return {
      module: DatabaseModule,
      global: true,
      imports: [MikroOrmModule.forRoot(runtime)],
      providers: [ChangeLog, Pruning, DatabaseStartup, { provide: OWNER_OPTIONS, useValue: owner }],
      exports: [ChangeLog, Pruning, DatabaseStartup],
    };
  }
}
