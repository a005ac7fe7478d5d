import { Controller, Get, Headers, Inject, Res, SerializeOptions } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { z } from 'zod';
import { SETTINGS, type Settings } from '../config/index.ts';
import { ChangeLog } from '../database/index.ts';
import { Metrics, Public } from '../http/index.ts';
import { refusalOfMetrics } from './metrics-access.ts';

@Public()
@ApiTags('health')
@Controller()
export class MetricsController {
  constructor(
    private readonly metrics: Metrics,
    @Inject(SETTINGS) private readonly settings: Settings,
    changes: ChangeLog,
  ) {
    metrics.addGauge(
      'change_log_silent_seconds',
      'Since the last good read of the change log began; from 2 on every verdict asks the tables',
      async () => changes.silentForMs / 1000,
    );
  }

  /** For Prometheus (text format 0.0.4); behind METRICS_TOKEN where it is set, and in production only then. */
  @Get('metrics')
  @ApiOkResponse({ content: { 'text/plain': { schema: { type: 'string' } } } })
  @SerializeOptions({ schema: z.string() })
  async show(
    @Headers('authorization') authorization: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    const refusal = refusalOfMetrics(this.settings, authorization);
    if (refusal) throw refusal;
    response.type(this.metrics.registry.contentType);
    return this.metrics.registry.metrics();
  }
}
