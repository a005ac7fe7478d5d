import { Controller, Get, Param, SerializeOptions } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { PROBLEMS, Problem, type ProblemCode } from './problem.ts';
import { Public } from './public.decorator.ts';

const ProblemView = z
  .object({ code: z.string(), status: z.int(), title: z.string(), meaning: z.string() })
  .meta({ id: 'ProblemMeaning' });

@ApiTags('problems')
@Public()
@Controller('problems')
export class ProblemsController {
  /** What a refusal means, for whoever follows its `type`. */
  @Get(':code')
  @ApiOkResponse({ standardSchema: ProblemView })
  @SerializeOptions({ schema: ProblemView })
  show(@Param('code') code: string): z.input<typeof ProblemView> {
    if (!Object.hasOwn(PROBLEMS, code)) throw new Problem('not_found');
    const [status, title, meaning] = PROBLEMS[code as ProblemCode];
    return { code, status, title, meaning };
  }
}
