import { Injectable } from '@nestjs/common';
import { Pruning } from '../database/index.ts';
import { Job } from './job.decorator.ts';

/** Keeps the tables of the machinery as small as they may be. */
@Injectable()
export class PruningJob {
  constructor(private readonly pruning: Pruning) {}

  @Job('pruning', { cron: '* * * * *', transaction: false })
  async prune(): Promise<void> {
    await this.pruning.run();
  }
}
