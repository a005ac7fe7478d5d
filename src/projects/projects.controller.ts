import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Patch,
  Post,
  Query,
  Res,
  SerializeOptions,
} from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Accepts, RequirePermission, RequireScope, RequireTenant } from '../auth/index.ts';
import { Consumes } from '../billing/index.ts';
import { IdPipe, type Page } from '../http/index.ts';
import type { Project } from './project.entity.ts';
import { NewProject, ProjectChanges, ProjectPage, ProjectsQuery, ProjectView } from './projects.schemas.ts';
import { ProjectsService } from './projects.service.ts';

@ApiTags('projects')
@Accepts('session_token', 'api_key')
@RequireTenant()
@Controller('v1/projects')
@SerializeOptions({ schema: ProjectView })
export class ProjectsController {
  constructor(private readonly projects: ProjectsService) {}

  @Get()
  @RequireScope('projects:read')
  @ApiOkResponse({ standardSchema: ProjectPage })
  @SerializeOptions({ schema: ProjectPage })
  list(@Query({ schema: ProjectsQuery }) query: ProjectsQuery): Promise<Page<Project>> {
    return this.projects.list(query);
  }

  @Post()
  @RequirePermission('org:projects:write')
  @RequireScope('projects:write')
  @Consumes('projects.create')
  @ApiCreatedResponse({ standardSchema: ProjectView })
  async create(
    @Body({ schema: NewProject }) body: NewProject,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Project> {
    const project = await this.projects.create(body);
    response.location(`/v1/projects/${project.id}`);
    return project;
  }

  @Get(':id')
  @RequireScope('projects:read')
  @ApiOkResponse({ standardSchema: ProjectView })
  show(@Param('id', IdPipe) id: string): Promise<Project> {
    return this.projects.show(id);
  }

  @Patch(':id')
  @RequirePermission('org:projects:write')
  @RequireScope('projects:write')
  @ApiOkResponse({ standardSchema: ProjectView })
  change(@Param('id', IdPipe) id: string, @Body({ schema: ProjectChanges }) changes: ProjectChanges): Promise<Project> {
    return this.projects.change(id, changes);
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('org:projects:write')
  @RequireScope('projects:write')
  @ApiNoContentResponse()
  delete(@Param('id', IdPipe) id: string): Promise<void> {
    return this.projects.delete(id);
  }
}
