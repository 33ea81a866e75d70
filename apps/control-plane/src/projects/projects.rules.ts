import type { ProjectPatch } from '@tensorloop/contracts/api/projects';
import { formatUsd, MAX_SCRIPT_NANO_USD, type NanoUsd, parseUsd } from '@tensorloop/kernel/money';
import type { ProjectChange, ProjectRefusal, StoredProject } from './projects.types.js';

/** Projects of an account that are not archived. */
export const PROJECTS_ACTIVE_MAX = 100;
/** With the archived ones, which stay for what was spent in them. */
export const PROJECTS_MAX = 1_000;

export function refuseAnotherProject(counts: { active: number; all: number }): ProjectRefusal | null {
  if (counts.active >= PROJECTS_ACTIVE_MAX) {
    const detail = `An account has at most ${PROJECTS_ACTIVE_MAX} projects. Archive one that is not needed any more.`;
    return { code: 'project_limit_reached', detail };
  }
  if (counts.all < PROJECTS_MAX) return null;
  const detail = `An account has at most ${PROJECTS_MAX} projects with the archived ones. Bring an archived one back and rename it.`;
  return { code: 'project_limit_reached', detail };
}

export function refuseName(isTaken: boolean, name: string): ProjectRefusal | null {
  if (!isTaken) return null;
  return { code: 'project_name_taken', pointer: '/name', detail: `There is a project named "${name}" already.` };
}

/** Admission counts in doubles, which are exact only so far. */
export function refuseBudget(budgetNanoUsd: NanoUsd | null | undefined): ProjectRefusal | null {
  if (budgetNanoUsd === undefined || budgetNanoUsd === null || budgetNanoUsd <= MAX_SCRIPT_NANO_USD) return null;
  const detail = `A project's budget is at most ${formatUsd(MAX_SCRIPT_NANO_USD)} USD.`;
  return { code: 'budget_too_large', pointer: '/budgetUsd', detail };
}

/** What was spent stays with an archived project, and nothing new may be: so no key of it works any more. */
export function refuseArchiving(project: Pick<StoredProject, 'activeKeys'>): ProjectRefusal | null {
  if (project.activeKeys === 0) return null;
  const keys = project.activeKeys === 1 ? '1 active key' : `${project.activeKeys} active keys`;
  const detail = `The project has ${keys}. Revoke them or put them elsewhere before archiving it.`;
  return { code: 'project_has_active_keys', pointer: '/archived', detail };
}

export function toBudget(budgetUsd: string | null | undefined): NanoUsd | null | undefined {
  return budgetUsd === undefined || budgetUsd === null ? budgetUsd : parseUsd(budgetUsd);
}

/** What a request changes of a project; archiving one that is archived keeps its instant. */
export function projectChange(request: ProjectPatch, project: StoredProject, nowMs: number): ProjectChange {
  const budgetNanoUsd = toBudget(request.budgetUsd);
  const isArchived = project.archivedAtMs !== null;
  const archives = request.archived !== undefined && request.archived !== isArchived;
  return {
    ...(request.name === undefined ? {} : { name: request.name }),
    ...(budgetNanoUsd === undefined ? {} : { budgetNanoUsd }),
    ...(archives ? { archivedAtMs: request.archived ? nowMs : null } : {}),
  };
}
