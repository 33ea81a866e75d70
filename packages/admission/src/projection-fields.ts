import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { scriptAmount } from './script-amount.js';

/**
 * A projection as hash fields. Each model is a field of its own (`m:<id>`, `m:*`), so that admission finds a model among a
 * thousand in the same HMGET that reads the limits, instead of fetching and searching the list.
 */
export function projectionFields(projection: KeyProjection): string[] {
  // What admission looks for in each call comes first: Redis looks through the fields of a small hash one by one.
  const fields: Record<string, string> = { p: '' };
  for (const model of projection.models) fields[`m:${model}`] = '1';
  Object.assign(fields, {
    keyId: projection.keyId,
    accountId: projection.accountId,
    revoked: projection.isRevoked ? '1' : '0',
    mintedAtMs: String(projection.mintedAtMs),
    expiresAtMs: String(projection.expiresAtMs),
    budget: scriptAmount(BigInt(projection.budgetNanoUsd), 'the budget'),
    rpm: String(projection.rpm),
    dailyLimit:
      projection.dailyLimitNanoUsd === null ? '' : scriptAmount(BigInt(projection.dailyLimitNanoUsd), 'the daily limit'),
  });
  // Written only where they say something: admission then reads nothing for the keys that have none of them.
  if (projection.accountKind !== 'metered') fields.kind = projection.accountKind;
  if (projection.tpm !== null) fields.tpm = String(projection.tpm);
  if (projection.parallelMax !== null) fields.parallel = String(projection.parallelMax);
  const more = moreFields(projection);
  // One field says whether there are any, so that most keys are not asked for each of them.
  if (Object.keys(more).length > 0) Object.assign(fields, { more: '1' }, more);
  return Object.entries(fields).flat();
}

function moreFields({ accountRpm, project, tags }: KeyProjection): Record<string, string> {
  return {
    ...(accountRpm === undefined ? {} : { accountRpm: String(accountRpm) }),
    ...(tags === undefined ? {} : { tags: JSON.stringify(tags) }),
    ...(project === undefined ? {} : projectFields(project)),
  };
}

function projectFields({ id, name, createdAtMs, budgetNanoUsd }: NonNullable<KeyProjection['project']>) {
  const budget = budgetNanoUsd === null ? {} : { projectBudget: scriptAmount(BigInt(budgetNanoUsd), "the project's budget") };
  return { projectId: id, projectName: name, projectStart: String(createdAtMs), ...budget };
}
