import { defineEntity, p } from '@mikro-orm/core';
import { times } from '../database/columns.entity.ts';
import { TenantScoped } from '../database/scoped.entity.ts';

const ProjectSchema = defineEntity({
  name: 'Project',
  tableName: 'projects',
  extends: TenantScoped,
  properties: {
    name: p.text(),
    archivedAt: p.datetime().nullable(),
    ...times,
  },
});

/** What the members of a tenant work on. */
export class Project extends ProjectSchema.class {
  rename(name: string): void {
    this.name = name;
  }

  /** Once more keeps the first time. */
  archive(): void {
    this.archivedAt ??= new Date();
  }

  restore(): void {
    this.archivedAt = null;
  }
}
ProjectSchema.setClass(Project);
