import { z } from 'zod';
import { ClerkId } from './clerk-values.schema.ts';

/** All that is left of what was deleted. */
export const DeletedObject = z.looseObject({ id: ClerkId });
