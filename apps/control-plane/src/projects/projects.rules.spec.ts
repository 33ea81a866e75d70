import { describe, expect, it } from '@jest/globals';
import { MAX_SCRIPT_NANO_USD } from '@tensorloop/kernel/money';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import {
  PROJECTS_ACTIVE_MAX,
  PROJECTS_MAX,
  projectChange,
  refuseAnotherProject,
  refuseArchiving,
  refuseBudget,
} from './projects.rules.js';
import type { StoredProject } from './projects.types.js';

const NOW = Date.parse('2026-11-21T09:00:00Z');
const project: StoredProject = {
  ...{ id: uuid7(), name: 'p', budgetNanoUsd: null, createdAtMs: 1, archivedAtMs: null, version: 1, activeKeys: 0 },
};

describe('the number of projects', () => {
  it('is bounded, of active ones and of all', () => {
    expect(refuseAnotherProject({ active: PROJECTS_ACTIVE_MAX - 1, all: PROJECTS_MAX - 1 })).toBeNull();
    expect(refuseAnotherProject({ active: PROJECTS_ACTIVE_MAX, all: 100 })?.code).toBe('project_limit_reached');
    expect(refuseAnotherProject({ active: 0, all: PROJECTS_MAX })?.code).toBe('project_limit_reached');
  });
});

describe('a change', () => {
  it('says what was sent and nothing else; null takes the budget away', () => {
    expect(projectChange({}, project, NOW)).toEqual({});
    expect(projectChange({ name: 'q', budgetUsd: null }, project, NOW)).toEqual({ name: 'q', budgetNanoUsd: null });
    expect(projectChange({ budgetUsd: '0.5' }, project, NOW)).toEqual({ budgetNanoUsd: 500_000_000n });
  });

  it('archives once: the instant of the first time stays', () => {
    expect(projectChange({ archived: true }, project, NOW)).toEqual({ archivedAtMs: NOW });
    expect(projectChange({ archived: true }, { ...project, archivedAtMs: 5 }, NOW)).toEqual({});
    expect(projectChange({ archived: false }, { ...project, archivedAtMs: 5 }, NOW)).toEqual({ archivedAtMs: null });
    expect(projectChange({ archived: false }, project, NOW)).toEqual({});
    expect(refuseArchiving({ activeKeys: 1 })?.code).toBe('project_has_active_keys');
    expect(refuseArchiving({ activeKeys: 0 })).toBeNull();
  });

  it('sets no budget that admission could not count exactly (TL-4)', () => {
    expect(refuseBudget(MAX_SCRIPT_NANO_USD)).toBeNull();
    expect(refuseBudget(MAX_SCRIPT_NANO_USD + 1n)?.pointer).toBe('/budgetUsd');
    expect(refuseBudget(null)).toBeNull();
  });
});
