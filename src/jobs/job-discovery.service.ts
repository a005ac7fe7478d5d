import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { JobMetadata } from './job.decorator.ts';
import { Jobs } from './jobs.service.ts';
import type { JobHandler } from './registered-job.ts';

type Provider = ReturnType<DiscoveryService['getProviders']>[number];

/** Registers every method that @Job decorates, of the providers of all modules. */
@Injectable()
export class JobDiscovery implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    // one provider may be known under several tokens
    const providers = new Map(
      this.discovery.getProviders().map((provider) => [provider.instance as unknown, provider]),
    );
    for (const [instance, provider] of providers)
      if (provider.metatype && typeof instance === 'object' && instance) this.#register(provider, instance);
  }

  #register(provider: Provider, instance: object): void {
    for (const method of this.scanner.getAllMethodNames(Object.getPrototypeOf(instance) as object)) {
      const job = this.discovery.getMetadataByDecorator(JobMetadata, provider, method);
      if (!job) continue;
      if (!provider.isDependencyTreeStatic())
        throw new Error(`The job ${job.name} belongs to ${provider.name}, which lives only as long as a request`);
      const handler = (instance as Record<string, JobHandler>)[method] as JobHandler;
      this.jobs.register(job.name, handler.bind(instance), job);
    }
  }
}
