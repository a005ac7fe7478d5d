import { z } from 'zod';

/** More than any instance has permissions: Clerk's parser takes a time that grows with the square of the digits. */
const MASK = /^\d{1,100}$/;

const organizationId = z.string().regex(/^org_\w{1,100}$/);
const role = z.string().min(1);
const none = z.never().optional();
/** Organizations without a slug have it as null or as an empty text. */
const slug = z.string().nullish();

/** Elements by comma, each of which is so; an empty text has none. */
const listOf = (isElement: (element: string) => boolean) =>
  z.string().refine((text) => text === '' || text.split(',').every((element) => isElement(element.trim())));

/** With their scope (`o:projects`): Clerk's parser throws at one without. */
const features = listOf((element) => element.includes(':'));

const EveryVersion = z.object({ v: z.number().optional(), fea: features.optional(), pla: features.optional() });

const Version2 = z.object({
  o: z
    .object({
      id: organizationId,
      slg: slug,
      rol: role,
      per: z.string().optional(),
      fpm: listOf((mask) => MASK.test(mask)).optional(),
    })
    .optional(),
});

const Version1 = z.union([
  z.object({
    org_id: organizationId,
    org_slug: slug,
    org_role: role,
    org_permissions: z.array(z.string()).optional(),
  }),
  z.object({ org_id: none, org_slug: z.literal('').nullish(), org_role: none, org_permissions: none }),
]);

/**
 * Whether what a payload says of the active organization, of features and plans has the form that Clerk gives it. As for
 * Clerk's parser, whatever is not the second version is the first.
 */
export function hasOrganizationClaims(payload: Record<string, unknown>): boolean {
  const version = payload.v === 2 ? Version2 : Version1;
  return EveryVersion.safeParse(payload).success && version.safeParse(payload).success;
}
