import { EntityManager, type FindOneOptions, LockMode } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { transaction } from '../database/index.ts';
import { listPage, type Page, Problem } from '../http/index.ts';
import { Project } from './project.entity.ts';
import type { NewProject, ProjectChanges, ProjectsQuery } from './projects.schemas.ts';

const TO_CHANGE = { lockMode: LockMode.PESSIMISTIC_WRITE } as const;

/** The projects of the caller's tenant, as of every scoped entity: nothing here names it. */
@Injectable()
export class ProjectsService {
  constructor(private readonly em: EntityManager) {}

  list({ archived, ...page }: ProjectsQuery): Promise<Page<Project>> {
    return transaction(this.em, (em) => listPage(em, Project, archived ? {} : { archivedAt: null }, page));
  }

  create({ name }: NewProject): Promise<Project> {
    return transaction(this.em, async (em) => em.create(Project, { name, archivedAt: null }));
  }

  show(id: string): Promise<Project> {
    return transaction(this.em, (em) => this.#find(em, id));
  }

  change(id: string, { name, archived }: ProjectChanges): Promise<Project> {
    return transaction(this.em, async (em) => {
      const project = await this.#find(em, id, TO_CHANGE);
      if (name !== undefined) project.rename(name);
      if (archived === true) project.archive();
      if (archived === false) project.restore();
      return project;
    });
  }

  delete(id: string): Promise<void> {
    return transaction(this.em, async (em) => {
      em.remove(await this.#find(em, id, TO_CHANGE));
    });
  }

  /** Unknown or another tenant's: it is not found. */
  async #find(em: EntityManager, id: string, options?: FindOneOptions<Project>): Promise<Project> {
    const project = await em.findOne(Project, { id }, options);
    if (!project) throw new Problem('not_found');
    return project;
  }
}
