import { Inject, Injectable } from '@nestjs/common';
import type { PlanChange, PlanOffer } from '@tensorloop/contracts/api/plans';
import { requireVersion } from '@tensorloop/nest-kit/if-match';
import { CLOCK, type Clock } from '../clock.js';
import { ModelsService } from '../models/models.service.js';
import { ProjectionService } from '../projection/projection.service.js';
import type { PendingProjection } from '../projection/projection.types.js';
import { type PlannedAccount, PlansRepository } from './plans.repository.js';
import { describeChange, isListed, type PlanRefusalCode, refusePlan, toOffer } from './plans.rules.js';

type Refused = { outcome: 'refused'; code: PlanRefusalCode };
export type PreviewResult = Refused | { outcome: 'described'; change: PlanChange };
export type ChangeResult = Refused | { outcome: 'in_force' | 'not_in_force'; change: PlanChange };

@Injectable()
export class PlansService {
  constructor(
    @Inject(PlansRepository) private readonly repository: PlansRepository,
    @Inject(ModelsService) private readonly models: ModelsService,
    @Inject(ProjectionService) private readonly projection: ProjectionService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async listOffers(accountId: string): Promise<PlanOffer[]> {
    const { plans, currentPlanId } = await this.repository.listPlans(accountId);
    return plans.filter((plan) => isListed(plan, currentPlanId)).map((plan) => toOffer(plan, currentPlanId));
  }

  /** What a change would cut. It is said of the keys as they are now; a key minted in between is not in it. */
  async preview(accountId: string, planId: string): Promise<PreviewResult> {
    const known = await this.models.listIds();
    return this.repository.readAccount(accountId, this.clock(), (account) => describe(account, planId, known));
  }

  /**
   * Changes the plan, in force on every gateway once it answers `in_force` (spec TL-2). Keys keep their own terms: what is
   * cut is what gateways are told. The plan that the account has already is delivered again where it was not yet, so that
   * whoever saw 503 can repeat the request, whatever it came with in If-Match. Otherwise throws 412 when `seen` is another
   * version than the account's.
   */
  async change(accountId: string, { planId, seen }: { planId: string; seen: number | null }): Promise<ChangeResult> {
    const known = await this.models.listIds();
    const decided = await this.repository.withLockedAccount(accountId, this.clock(), async (account) => {
      const described = await describe(account, planId, known);
      if (described.outcome === 'refused') return described;
      if (account.plan.id === planId) return { ...described, pending: await account.listUndelivered() };
      requireVersion(account.version, seen);
      const pending = await account.setPlan(described.change);
      return { ...described, change: { ...described.change, version: account.version + 1 }, pending };
    });
    if (decided.outcome === 'refused') return decided;
    return { outcome: await this.deliver(decided.pending), change: decided.change };
  }

  private async deliver(pending: readonly PendingProjection[]): Promise<'in_force' | 'not_in_force'> {
    return (await this.projection.deliverAll(pending)) ? 'in_force' : 'not_in_force';
  }
}

async function describe(account: PlannedAccount, planId: string, known: ReadonlySet<string>): Promise<PreviewResult> {
  const target = await account.findPlan(planId);
  const code = refusePlan(target, { planId: account.plan.id, isActive: account.isActive });
  if (target === null || code !== null) return { outcome: 'refused', code: code ?? 'plan_unknown' };
  const keys = await account.listActiveKeys();
  const change = describeChange({ from: account.plan, to: target }, keys, known);
  return { outcome: 'described', change: { ...change, version: account.version } };
}
