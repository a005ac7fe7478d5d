import { Global, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { PgBoss } from 'pg-boss';
import { SETTINGS } from '../config/index.ts';
import { createBoss } from './boss.ts';
import { JobDiscovery } from './job-discovery.service.ts';
import { JobWorkers } from './job-workers.service.ts';
import { Jobs } from './jobs.service.ts';
import { PruningJob } from './pruning-job.service.ts';

@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [
    { provide: PgBoss, inject: [SETTINGS], useFactory: createBoss },
    Jobs,
    JobDiscovery,
    JobWorkers,
    PruningJob,
  ],
  exports: [Jobs],
})
export class JobsModule {}
