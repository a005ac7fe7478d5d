import { Injectable, StandardSchemaValidationPipe } from '@nestjs/common';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type InputError, Problem } from './problem.ts';

const MAX_ERRORS = 20;
const MAX_POINTER = 200;

/** Checks bodies and queries against the schema of their decorator; what does not fit is one `invalid_input`. */
@Injectable()
export class InputPipe extends StandardSchemaValidationPipe {
  constructor() {
    super({
      exceptionFactory: (issues) =>
        new Problem('invalid_input', { errors: issues.flatMap(errorsOf).slice(0, MAX_ERRORS) }),
    });
  }
}

/** An unknown field gets an error of its own: zod's message for it would repeat the name. */
function errorsOf(issue: StandardSchemaV1.Issue & { keys?: PropertyKey[] }): InputError[] {
  const path = (issue.path ?? []).map((segment) => (typeof segment === 'object' ? segment.key : segment));
  if (issue.keys) return issue.keys.map((key) => ({ pointer: pointerOf([...path, key]), detail: 'Unknown field' }));
  return [{ pointer: pointerOf(path), detail: issue.message }];
}

function pointerOf(path: PropertyKey[]): string {
  const pointer = path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  return pointer.slice(0, MAX_POINTER);
}
