import {
  type BeforeApplicationShutdown,
  Controller,
  Get,
  Headers,
  Inject,
  SerializeOptions,
  ServiceUnavailableException,
} from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import { VerificationKeys } from '../auth/index.ts';
import { SETTINGS, type Settings } from '../config/index.ts';
import { ChangeLog, DatabaseStartup } from '../database/index.ts';
import { Metrics, Problem, Public } from '../http/index.ts';
import { Live, Ready } from './health.schemas.ts';
import { refusalOfMetrics } from './metrics-access.ts';

@Public()
@ApiTags('health')
@Controller()
export class HealthController implements BeforeApplicationShutdown {
  #isStopping = false;

  constructor(
    private readonly health: HealthCheckService,
    private readonly indicator: HealthIndicatorService,
    private readonly startup: DatabaseStartup,
    private readonly changes: ChangeLog,
    private readonly keys: VerificationKeys,
    private readonly metrics: Metrics,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  /** Not ready first, so that no new work arrives while what is running finishes. */
  becomeUnready(): void {
    this.#isStopping = true;
  }

  beforeApplicationShutdown(): void {
    this.becomeUnready();
  }

  /** The process runs. */
  @Get('healthz')
  @ApiOkResponse({ standardSchema: Live })
  @SerializeOptions({ schema: Live })
  live(): Live {
    return { status: 'ok' };
  }

  /** Requests can be served: else 503, with what is missing in `checks`. `details` decide nothing, and are shown to whom `/metrics` is. */
  @Get('readyz')
  @ApiOkResponse({ standardSchema: Ready })
  @SerializeOptions({ schema: Ready })
  async ready(@Headers('authorization') authorization: string | undefined): Promise<Ready> {
    try {
      const { status, details } = await this.health.check([
        () => this.#check('process', !this.#isStopping, 'the process is shutting down'),
        () => this.#check('database', this.startup.waitingFor === undefined, this.startup.waitingFor),
        () => this.#check('changes', this.changes.isCurrent, 'the change log cannot be read'),
        () => this.#check('keys', this.keys.areKnown, 'no verification key of Clerk is known'),
      ]);
      if (refusalOfMetrics(this.settings, authorization)) return { status, checks: details };
      return { status, checks: details, details: (await this.metrics.details()) as Ready['details'] };
    } catch (error) {
      if (!(error instanceof ServiceUnavailableException)) throw error;
      const { details } = error.getResponse() as { details: Ready['checks'] };
      throw new Problem('unavailable', { members: { checks: details } });
    }
  }

  #check(name: string, isUp: boolean, reason: string | undefined) {
    const indicator = this.indicator.check(name);
    return isUp ? indicator.up() : indicator.down({ reason });
  }
}
