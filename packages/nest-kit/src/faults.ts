import type { Logger } from '@tensorloop/observability/logger';
import { z } from 'zod';
import { armFailPoints, type FailPointApp, type FailPointPlan, parseFailPoints } from './fail-points.js';

/** A day: further apart than this, metering judges an event's times to be wrong. */
export const CLOCK_SKEW_MS_MAX = 86_400_000;

const skewSchema = z.coerce.number('expected milliseconds').int().min(-CLOCK_SKEW_MS_MAX).max(CLOCK_SKEW_MS_MAX);

/** Settings with which a process is made to fail; spread into the app's own, and close the object with `refusesFaultsInProduction`. */
export function faultEnvironment(app: FailPointApp) {
  return {
    /** For instance "gateway.after_accepted=kill@17". See docs/runbooks/fault-injection.md. */
    FAIL_POINTS: z
      .string()
      .transform((text, ctx): FailPointPlan[] => {
        const plans = parseFailPoints(app, text);
        if (!('problem' in plans)) return plans;
        ctx.addIssue({ code: 'custom', message: plans.problem });
        return z.NEVER;
      })
      .optional(),
    /** Added to every reading of the wall clock. */
    CLOCK_SKEW_MS: skewSchema.optional(),
    /** `allowed` lets a process with NODE_ENV=production be made to fail. */
    FAULTS_IN_PRODUCTION: z.literal('allowed', 'expected "allowed"').optional(),
    NODE_ENV: z.string().optional(),
  };
}

interface FaultSettings {
  FAIL_POINTS?: FailPointPlan[] | undefined;
  CLOCK_SKEW_MS?: number | undefined;
  FAULTS_IN_PRODUCTION?: 'allowed' | undefined;
  NODE_ENV?: string | undefined;
}

/** For `.superRefine(…)`: nobody should be able to make a real installation fail by one variable alone. */
export function refuseFaultsInProduction(settings: FaultSettings, ctx: z.core.$RefinementCtx<unknown>): void {
  if (settings.NODE_ENV !== 'production' || settings.FAULTS_IN_PRODUCTION === 'allowed') return;
  for (const name of ['FAIL_POINTS', 'CLOCK_SKEW_MS'] as const) {
    if (settings[name] === undefined) continue;
    ctx.addIssue({
      code: 'custom',
      path: [name],
      message: 'makes the service fail on purpose: refused in production without FAULTS_IN_PRODUCTION=allowed',
    });
  }
}

/** For `main.ts`: arms what the configuration asks for, and says so where nobody can miss it. */
export function injectFaults({ FAIL_POINTS, CLOCK_SKEW_MS }: FaultSettings, logger: Logger): void {
  if (CLOCK_SKEW_MS) logger.warn({ clockSkewMs: CLOCK_SKEW_MS }, 'the clock of this process is skewed');
  if (FAIL_POINTS === undefined) return;
  armFailPoints(FAIL_POINTS);
  logger.warn({ failPoints: FAIL_POINTS }, 'fail points are armed: this process is made to fail');
}
