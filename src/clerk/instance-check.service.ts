import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, type Settings } from '../config/index.ts';
import { ClerkReader } from './clerk-reader.service.ts';
import { Instance } from './instance.entity.ts';

/** For who writes what the Backend API says: that it speaks of our instance, by its own word. */
@Injectable()
export class InstanceCheck {
  readonly #issuer: string;
  readonly #configured: string | undefined;

  constructor(
    private readonly em: EntityManager,
    private readonly reader: ClerkReader,
    @Inject(SETTINGS) { clerk }: Settings,
  ) {
    this.#issuer = clerk.issuers[0] ?? '';
    this.#configured = clerk.instanceId;
  }

  /** The instance of the secret key, and which one is ours: configured, remembered, or not known. */
  async ask(signal?: AbortSignal): Promise<{ asked: string; ours: string | undefined }> {
    const remembered = await this.em.fork().findOne(Instance, { issuer: this.#issuer });
    return { asked: await this.reader.instanceId(signal), ours: this.#configured ?? remembered?.clerkId };
  }

  async remember(clerkId: string): Promise<void> {
    await this.em.fork().upsert(Instance, { issuer: this.#issuer, clerkId });
  }
}
