import { EntityManager } from '@mikro-orm/postgresql';
import { Controller, Post, SerializeOptions } from '@nestjs/common';
import { z } from 'zod';
import { Consumes, Usage } from '../../src/billing/index.ts';
import { transaction } from '../../src/database/index.ts';
import { CurrentTenant, type Tenant } from '../../src/tenants/index.ts';

const AT_ONCE = 64;
const ROUND_MS = 2000;

/** One route with a quota and without, and a payer with much to do at once. */
@Controller('bench')
@SerializeOptions({ schema: z.object({ perSecond: z.number(), consumed: z.number() }) })
export class QuotaController {
  constructor(
    private readonly em: EntityManager,
    private readonly usage: Usage,
  ) {}

  @Post('plain')
  async plain(@CurrentTenant() { id }: Tenant) {
    return this.#update(id);
  }

  @Post('consumed')
  @Consumes('projects.create')
  async consumed(@CurrentTenant() { id }: Tenant) {
    return this.#update(id);
  }

  @Post('hot')
  async hot(@CurrentTenant() { id, clerkId }: Tenant) {
    const [began, until] = [performance.now(), performance.now() + ROUND_MS];
    let consumed = 0;
    const consume = async () => {
      while (performance.now() < until) {
        await this.usage.consume({ kind: 'tenant', id, clerkId }, 'projects.create', 1);
        consumed++;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, consume));
    return { perSecond: consumed / ((performance.now() - began) / 1000), consumed };
  }

  async #update(id: string) {
    await transaction(this.em, (em) => em.execute('update bench_rows set n = n + 1 where id = ?', [id]));
    return { perSecond: 0, consumed: 0 };
  }
}
