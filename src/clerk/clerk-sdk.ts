import { type ClerkClient, createClerkClient } from '@clerk/backend';
import type { Settings } from '../config/index.ts';

/** Clerk's SDK, which tells nobody that it is used. It has neither time-out nor retry, and gives no way to abort. */
export function clerkSdk({ clerk }: Settings): ClerkClient {
  const { secretKey, machineSecretKey, publishableKey, apiUrl } = clerk;
  return createClerkClient({ secretKey, machineSecretKey, publishableKey, apiUrl, telemetry: { disabled: true } });
}
