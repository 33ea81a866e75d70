import { Inject, Injectable } from '@nestjs/common';
import type { Project, ProjectCreate, ProjectListQuery, ProjectPage, ProjectPatch } from '@tensorloop/contracts/api/projects';
import { projectScope } from '@tensorloop/contracts/settle-ack';
import { budgetWindow } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { requireVersion } from '@tensorloop/nest-kit/if-match';
import { CLOCK, type Clock } from '../clock.js';
import { CURSORS } from '../pages/cursor.types.js';
import { ProjectionService } from '../projection/projection.service.js';
import { SCOPES_MAX, ScopeSpendingService, type Spending } from '../usage/scope-spending.service.js';
import { toProject, toProjectPage } from './projects.dto.js';
import { type ChangedProject, type LockedProjects, ProjectsRepository } from './projects.repository.js';
import { projectChange, refuseAnotherProject, refuseArchiving, refuseBudget, refuseName, toBudget } from './projects.rules.js';
import type { ProjectRefusal, StoredProject } from './projects.types.js';

type Refused = { outcome: 'refused'; refusal: ProjectRefusal };
export type CreateResult = { outcome: 'created'; project: Project } | Refused;
export type ChangeResult = { outcome: 'changed'; project: Project } | Refused | { outcome: 'not_found' | 'not_in_force' };

type Change = ProjectPatch & { seenVersion: number | null };

@Injectable()
export class ProjectsService {
  constructor(
    @Inject(ProjectsRepository) private readonly repository: ProjectsRepository,
    @Inject(ProjectionService) private readonly projection: ProjectionService,
    @Inject(ScopeSpendingService) private readonly spending: ScopeSpendingService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async create(accountId: string, { name, budgetUsd }: ProjectCreate): Promise<CreateResult> {
    const nowMs = this.clock();
    const budgetNanoUsd = toBudget(budgetUsd) ?? null;
    return this.repository.withLockedAccount(accountId, nowMs, async (projects): Promise<CreateResult> => {
      const refusal =
        refuseBudget(budgetNanoUsd) ??
        refuseName(await projects.isNameTaken(name, null), name) ??
        refuseAnotherProject(await projects.count());
      if (refusal !== null) return { outcome: 'refused', refusal };
      const project = await projects.insert({ id: uuid7(nowMs), name, budgetNanoUsd, createdAtMs: nowMs });
      // Nothing was ever spent in it, and nobody needs to be asked.
      const shown = toProject({ project, nowMs, spending: { spentNanoUsd: 0n, heldNanoUsd: 0n } });
      await projects.recordAnswer(shown);
      return { outcome: 'created', project: shown };
    });
  }

  /** Newest first. What projects have spent is null where nobody can say; the list itself needs the database alone. */
  async list(accountId: string, query: ProjectListQuery): Promise<ProjectPage> {
    const { projects, hasMore } = await this.repository.listProjects(accountId, {
      includesArchived: query.include !== undefined,
      nowMs: this.clock(),
      before: CURSORS.projects.read(query.cursor),
      limit: query.limit,
    });
    return toProjectPage(await this.show(accountId, projects), hasMore);
  }

  async find(accountId: string, projectId: string): Promise<Project | null> {
    const project = await this.repository.findProject(accountId, projectId, this.clock());
    return project === null ? null : this.showOne(accountId, project);
  }

  /** `changed` once every gateway goes by it at the next call of any of the project's keys. */
  async change(accountId: string, projectId: string, request: Change): Promise<ChangeResult> {
    const changed = await this.repository.withLockedAccount(accountId, this.clock(), (projects) =>
      this.update(projects, projectId, request),
    );
    if (changed === null) return { outcome: 'not_found' };
    if ('refusal' in changed) return { outcome: 'refused', refusal: changed.refusal };
    if (!(await this.projection.deliverAll(changed.pending))) return { outcome: 'not_in_force' };
    return { outcome: 'changed', project: await this.showOne(accountId, changed.project) };
  }

  private async update(
    projects: LockedProjects,
    projectId: string,
    { seenVersion, ...request }: Change,
  ): Promise<ChangedProject | { refusal: ProjectRefusal } | null> {
    const project = await projects.find(projectId);
    if (project === null) return null;
    requireVersion(project.version, seenVersion);
    const change = projectChange(request, project, this.clock());
    const refusal = await this.refuse(projects, project, change);
    return refusal === null ? projects.update(project, change) : { refusal };
  }

  private async refuse(
    projects: LockedProjects,
    project: StoredProject,
    { name, budgetNanoUsd, archivedAtMs }: ReturnType<typeof projectChange>,
  ): Promise<ProjectRefusal | null> {
    const returns = archivedAtMs === null;
    const refusal = refuseBudget(budgetNanoUsd) ?? (archivedAtMs ? refuseArchiving(project) : null);
    if (refusal !== null) return refusal;
    const wanted = name ?? (returns ? project.name : undefined);
    const taken = wanted === undefined ? null : refuseName(await projects.isNameTaken(wanted, project.id), wanted);
    if (taken !== null || !returns) return taken;
    const { active } = await projects.count();
    return refuseAnotherProject({ active, all: 0 });
  }

  private async show(accountId: string, projects: readonly StoredProject[]): Promise<Project[]> {
    const nowMs = this.clock();
    const scopes = projects.map(({ id, createdAtMs }) => projectScope(id, budgetWindow(createdAtMs, nowMs).index));
    const spendings: (Spending | null)[] = [];
    // As many at once as metering takes in one question.
    for (let at = 0; at < scopes.length; at += SCOPES_MAX)
      spendings.push(...(await this.spending.list(accountId, scopes.slice(at, at + SCOPES_MAX))));
    return projects.map((project, at) => toProject({ project, nowMs, spending: spendings[at] ?? null }));
  }

  private async showOne(accountId: string, project: StoredProject): Promise<Project> {
    const [shown] = await this.show(accountId, [project]);
    return shown as Project;
  }
}
