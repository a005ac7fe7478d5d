import { z } from 'zod';
import { ListQuery, pageOf, storableText, Time } from '../http/index.ts';

const Name = storableText(200);

export const NewProject = z.strictObject({ name: Name }).meta({ id: 'NewProject' });
export type NewProject = z.output<typeof NewProject>;

export const ProjectChanges = z
  .strictObject({ name: Name.optional(), archived: z.boolean().optional() })
  .meta({ id: 'ProjectChanges' });
export type ProjectChanges = z.output<typeof ProjectChanges>;

export const ProjectsQuery = ListQuery.extend({
  archived: z
    .enum(['true', 'false'])
    .default('false')
    .transform((archived) => archived === 'true')
    .meta({ description: 'true: also those that are archived' }),
});
export type ProjectsQuery = z.output<typeof ProjectsQuery>;

export const ProjectView = z
  .object({ id: z.uuid(), name: z.string(), archivedAt: Time.nullable(), createdAt: Time, updatedAt: Time })
  .meta({ id: 'Project' });
export const ProjectPage = pageOf(ProjectView);
