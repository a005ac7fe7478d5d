import { DiscoveryService } from '@nestjs/core';
import type { JobHandler, JobOptions } from './registered-job.ts';

export const JobMetadata = DiscoveryService.createDecorator<{ name: string } & JobOptions>();

/**
 * Runs the decorated method of a provider as the job of that name, in one transaction of its own for each job, or with
 * `transaction: false` outside of any. With `cron` (five fields, UTC) it runs then, once over all instances. The name is
 * letters, digits and `_ . - /`.
 */
export function Job(name: string, options: JobOptions = {}) {
  return <Handler extends JobHandler>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<Handler>,
  ): void => {
    JobMetadata({ name, ...options })(target, key, descriptor);
  };
}
