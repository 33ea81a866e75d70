import { Body, Controller, Get, HttpCode, HttpStatus, Inject, Post, Put } from '@nestjs/common';
import { toCompleteList } from '@tensorloop/contracts/api/pages';
import {
  type PlanChange,
  type PlanChoice,
  type PlanList,
  planChangeSchema,
  planChoiceSchema,
  planListSchema,
} from '@tensorloop/contracts/api/plans';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { IfMatch } from '@tensorloop/nest-kit/if-match';
import { Description, Problems, Summary } from '@tensorloop/nest-kit/operation';
import { CurrentPrincipal, Permit, type Principal } from '../access/principal.types.js';
import { planProblems } from './plans.errors.js';
import { PlansService } from './plans.service.js';

const RETRY_HEADERS = { 'retry-after': '2' };

@Controller('api')
@Access('account')
export class PlansController {
  constructor(@Inject(PlansService) private readonly plans: PlansService) {}

  @Get('plans')
  @Permit('account:read')
  @Summary('List the plans, with ceilings, fees and which one the account has')
  @Description('All of them in one page: there are as many as operators made, a handful.')
  @ResponseSchema(planListSchema)
  async list(@CurrentPrincipal() { accountId }: Principal): Promise<PlanList> {
    return toCompleteList(await this.plans.listOffers(accountId));
  }

  @Post('account/plan/preview')
  @HttpCode(HttpStatus.OK)
  @Permit('plan:write')
  @Summary('What a change of plan would cut')
  @Problems(planProblems.plan_unknown, planProblems.plan_by_agreement, planProblems.account_not_active)
  @ResponseSchema(planChangeSchema)
  async preview(
    @CurrentPrincipal() { accountId }: Principal,
    @Body({ schema: planChoiceSchema }) { planId }: PlanChoice,
  ): Promise<PlanChange> {
    const result = await this.plans.preview(accountId, planId);
    if (result.outcome === 'refused') throw planProblems[result.code]();
    return result.change;
  }

  @Put('account/plan')
  @Permit('plan:write')
  @Summary('Change the plan; it is in force on every gateway once this answers')
  @Problems(
    planProblems.plan_unknown,
    planProblems.plan_by_agreement,
    planProblems.account_not_active,
    planProblems.plan_not_in_force_yet,
  )
  @ResponseSchema(planChangeSchema)
  async change(
    @CurrentPrincipal() { accountId }: Principal,
    @Body({ schema: planChoiceSchema }) { planId }: PlanChoice,
    @IfMatch() seen: number | null,
  ): Promise<PlanChange> {
    const result = await this.plans.change(accountId, { planId, seen });
    if (result.outcome === 'refused') throw planProblems[result.code]();
    if (result.outcome === 'not_in_force') throw planProblems.plan_not_in_force_yet({ headers: RETRY_HEADERS });
    return result.change;
  }
}
