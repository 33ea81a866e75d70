import type { Project, ProjectPage } from '@tensorloop/contracts/api/projects';
import { uuid7Schema } from '@tensorloop/contracts/identity';
import { budgetWindow } from '@tensorloop/kernel/budget-window';
import { formatUsd, type NanoUsd } from '@tensorloop/kernel/money';
import { z } from 'zod';
import { CURSORS } from '../pages/cursor.types.js';
import type { Spending } from '../usage/scope-spending.service.js';
import type { StoredProject } from './projects.types.js';

export const projectParamsSchema = z.strictObject({ id: uuid7Schema });
export type ProjectParams = z.infer<typeof projectParamsSchema>;

export interface ShownProject {
  project: StoredProject;
  /** Null: it cannot be told at the moment. */
  spending: Spending | null;
  nowMs: number;
}

const usd = (amount: NanoUsd | null) => (amount === null ? null : formatUsd(amount));
const nano = (amount: NanoUsd | null) => (amount === null ? null : amount.toString());

export function toProject({ project, spending, nowMs }: ShownProject): Project {
  const { budgetNanoUsd } = project;
  const window = budgetWindow(project.createdAtMs, nowMs);
  const left = spending === null ? null : leftOf(budgetNanoUsd, spending);
  return {
    id: project.id,
    version: project.version,
    name: project.name,
    status: project.archivedAtMs === null ? 'active' : 'archived',
    createdAt: instant(project.createdAtMs),
    archivedAt: project.archivedAtMs === null ? null : instant(project.archivedAtMs),
    activeKeys: project.activeKeys,
    ...{ budgetUsd: usd(budgetNanoUsd), budgetNanoUsd: nano(budgetNanoUsd) },
    usageAvailable: spending !== null,
    ...{ spentUsd: usd(spending?.spentNanoUsd ?? null), spentNanoUsd: nano(spending?.spentNanoUsd ?? null) },
    ...{ heldUsd: usd(spending?.heldNanoUsd ?? null), heldNanoUsd: nano(spending?.heldNanoUsd ?? null) },
    ...{ leftUsd: usd(left), leftNanoUsd: nano(left) },
    windowStart: instant(window.startMs),
    resetsAt: instant(window.endMs),
    budgetExhausted: budgetNanoUsd !== null && spending !== null && spending.spentNanoUsd >= budgetNanoUsd,
  };
}

function leftOf(budget: NanoUsd | null, { spentNanoUsd, heldNanoUsd }: Spending): NanoUsd | null {
  if (budget === null) return null;
  const left = budget - spentNanoUsd - heldNanoUsd;
  return left > 0n ? left : 0n;
}

export function toProjectPage(projects: Project[], hasMore: boolean): ProjectPage {
  const last = projects.at(-1);
  return { data: projects, hasMore, nextCursor: hasMore && last !== undefined ? CURSORS.projects.write(last.id) : null };
}

function instant(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
