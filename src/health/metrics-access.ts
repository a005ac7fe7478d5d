import { createHash, timingSafeEqual } from 'node:crypto';
import type { Settings } from '../config/index.ts';
import { Problem } from '../http/index.ts';

/** Why who brings this header sees no figures of the operator's; undefined: they are shown. */
export function refusalOfMetrics(settings: Settings, authorization: string | undefined): Problem | undefined {
  const { metricsToken, production } = settings;
  if (!metricsToken) return production ? new Problem('not_found') : undefined;
  return isSame(authorization, `Bearer ${metricsToken}`) ? undefined : new Problem('token_invalid');
}

function isSame(given: string | undefined, expected: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return given !== undefined && timingSafeEqual(digest(given), digest(expected));
}
