export { Job } from './job.decorator.ts';
export { JobsModule } from './jobs.module.ts';
export { type DeadJob, Jobs } from './jobs.service.ts';
