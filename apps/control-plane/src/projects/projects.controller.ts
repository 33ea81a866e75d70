import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import {
  type Project,
  type ProjectCreate,
  type ProjectListQuery,
  type ProjectPage,
  type ProjectPatch,
  projectCreateSchema,
  projectListQuerySchema,
  projectPageSchema,
  projectPatchSchema,
  projectSchema,
} from '@tensorloop/contracts/api/projects';
import { Access, RawResponse, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Idempotent } from '@tensorloop/nest-kit/idempotent';
import { IfMatch } from '@tensorloop/nest-kit/if-match';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { type ProjectParams, projectParamsSchema } from './projects.dto.js';
import { projectProblems } from './projects.errors.js';
import { type ChangeResult, ProjectsService } from './projects.service.js';
import type { ProjectRefusal } from './projects.types.js';

const RETRY_HEADERS = { 'retry-after': '2' };

@Controller('api/projects')
@Access('account')
export class ProjectsController {
  constructor(@Inject(ProjectsService) private readonly projects: ProjectsService) {}

  @Post()
  @Summary('Create a project')
  @Idempotent()
  @Problems(projectProblems.project_limit_reached, projectProblems.project_name_taken, projectProblems.budget_too_large)
  @Permit('projects:write')
  @ResponseSchema(projectSchema)
  async create(
    @CurrentPrincipal() { accountId }: Principal,
    @Body({ schema: projectCreateSchema }) project: ProjectCreate,
  ): Promise<Project> {
    const result = await this.projects.create(accountId, project);
    if (result.outcome === 'refused') throw toProblem(result.refusal);
    return result.project;
  }

  @Get()
  @Summary('List projects with what they have spent')
  @Permit('projects:read')
  @ResponseSchema(projectPageSchema)
  list(
    @CurrentPrincipal() { accountId }: Principal,
    @Query({ schema: projectListQuerySchema }) query: ProjectListQuery,
  ): Promise<ProjectPage> {
    return this.projects.list(accountId, query);
  }

  @Get(':id')
  @Summary('Show a project')
  @Problems(projectProblems.project_not_found)
  @Permit('projects:read')
  @ResponseSchema(projectSchema)
  async get(
    @CurrentPrincipal() { accountId }: Principal,
    @Param({ schema: projectParamsSchema }) { id }: ProjectParams,
  ): Promise<Project> {
    const project = await this.projects.find(accountId, id);
    if (project === null) throw projectProblems.project_not_found();
    return project;
  }

  @Patch(':id')
  @Summary('Change a project: name, budget; archive it or bring it back')
  @Problems(...Object.values(projectProblems))
  @Permit('projects:write')
  @ResponseSchema(projectSchema)
  async change(
    @CurrentPrincipal() { accountId }: Principal,
    @Param({ schema: projectParamsSchema }) { id }: ProjectParams,
    @Body({ schema: projectPatchSchema }) change: ProjectPatch,
    @IfMatch() seenVersion: number | null,
  ): Promise<Project> {
    return projectOf(await this.projects.change(accountId, id, { ...change, seenVersion }));
  }

  /** Nothing is deleted: what was spent in it stays. */
  @Delete(':id')
  @HttpCode(HttpStatus.NO_CONTENT)
  @Summary('Archive a project')
  @Problems(
    projectProblems.project_not_found,
    projectProblems.project_has_active_keys,
    projectProblems.project_not_in_force_yet,
  )
  @Permit('projects:write')
  @RawResponse('no content')
  async archive(
    @CurrentPrincipal() { accountId }: Principal,
    @Param({ schema: projectParamsSchema }) { id }: ProjectParams,
  ): Promise<void> {
    projectOf(await this.projects.change(accountId, id, { archived: true, seenVersion: null }));
  }
}

function projectOf(result: ChangeResult): Project {
  switch (result.outcome) {
    case 'changed':
      return result.project;
    case 'refused':
      throw toProblem(result.refusal);
    case 'not_found':
      throw projectProblems.project_not_found();
    default:
      throw projectProblems.project_not_in_force_yet({ headers: RETRY_HEADERS });
  }
}

function toProblem({ code, detail, pointer }: ProjectRefusal): Error {
  return projectProblems[code]({ detail, ...(pointer === undefined ? {} : { errors: [{ pointer, message: detail }] }) });
}
