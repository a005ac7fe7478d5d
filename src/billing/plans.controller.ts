import { Controller, Get, SerializeOptions } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { Public } from '../http/index.ts';
import { PlanList } from './billing.schemas.ts';
import type { Plan } from './plan.entity.ts';
import { Plans } from './plans.service.ts';

@ApiTags('billing')
@Public()
@Controller('v1/billing/plans')
export class PlansController {
  constructor(private readonly plans: Plans) {}

  /** What anybody can subscribe to. */
  @Get()
  @ApiOkResponse({ standardSchema: PlanList })
  @SerializeOptions({ schema: PlanList })
  async list(): Promise<{ data: Plan[] }> {
    return { data: await this.plans.offered() };
  }
}
