import { ClerkRefusal } from '../clerk/index.ts';
import { Problem } from '../http/index.ts';

/** What an operator is told: in Clerk's words where it refused, which name no input. */
export function sentenceOf({ detail, cause }: Problem): string {
  if (cause instanceof ClerkRefusal) return cause.message;
  if (cause instanceof Problem) return `${detail} (${sentenceOf(cause)})`;
  return cause instanceof Error ? `Clerk did not answer as it should (${lineOf(cause)})` : detail;
}

function lineOf({ name, message }: Error): string {
  return message.split('\n', 1)[0] || name;
}
