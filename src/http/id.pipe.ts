import { Injectable, type PipeTransform } from '@nestjs/common';
import { z } from 'zod';
import { Problem } from './problem.ts';

const Id = z.uuid();

/** For ids in paths, `@Param('id', IdPipe)`: what is none of ours (UUID) names nothing, so it is `not_found`. */
@Injectable()
export class IdPipe implements PipeTransform<string, string> {
  transform(id: string): string {
    if (!Id.safeParse(id).success) throw new Problem('not_found');
    return id;
  }
}
