import type { ActivityDetail } from '@tensorloop/contracts/api/activity';
import { uuid7Schema } from '@tensorloop/contracts/identity';
import type { BookedRequest } from '@tensorloop/contracts/rpc';
import { z } from 'zod';
import { toActivityItem, toCost } from './usage.dto.js';

export const activityParamsSchema = z.strictObject({ requestId: uuid7Schema });
export type ActivityParams = z.infer<typeof activityParamsSchema>;

export function toActivityDetail({
  completedAtMs,
  lines,
  attempts,
  ...row
}: BookedRequest): Omit<ActivityDetail, 'dataThrough'> {
  return {
    ...toActivityItem(row),
    completedAt: new Date(completedAtMs).toISOString(),
    lines: lines.map(({ dimension, quantity, unitPrice, amountNanoUsd }) => ({
      dimension,
      quantity,
      unitPriceUsd: unitPrice,
      ...toCost(amountNanoUsd),
    })),
    attempts: attempts.map(({ provider, upstreamModel, status, failure, latencyMs }) => ({
      provider,
      upstreamModel,
      status,
      failure,
      latencyMs,
    })),
  };
}
