import { Body, Controller, Get, HttpCode, HttpStatus, Inject, Param, Post, Put, Query } from '@nestjs/common';
import {
  type OperatorAccountDetail,
  type OperatorAccountListQuery,
  type OperatorAccountPage,
  type OperatorChange,
  type OperatorPlanChoice,
  type OperatorReason,
  operatorAccountDetailSchema,
  operatorAccountListQuerySchema,
  operatorAccountPageSchema,
  operatorChangeSchema,
  operatorPlanChoiceSchema,
  operatorReasonSchema,
} from '@tensorloop/contracts/api/operator';
import { uuid7Schema } from '@tensorloop/contracts/identity';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { IfMatch } from '@tensorloop/nest-kit/if-match';
import { Problems, Summary } from '@tensorloop/nest-kit/operation';
import { z } from 'zod';
import { CurrentPrincipal, type Principal } from '../access/principal.types.js';
import { operatorProblems } from './operators.errors.js';
import { OperatorsService } from './operators.service.js';

const accountParamsSchema = z.strictObject({ id: uuid7Schema });
type AccountParams = z.infer<typeof accountParamsSchema>;

@Controller('api/operator')
@Access('operator')
export class OperatorsController {
  constructor(@Inject(OperatorsService) private readonly operators: OperatorsService) {}

  @Get('accounts')
  @Summary('List and search the accounts of everybody')
  @ResponseSchema(operatorAccountPageSchema)
  listAccounts(
    @Query({ schema: operatorAccountListQuerySchema }) query: OperatorAccountListQuery,
  ): Promise<OperatorAccountPage> {
    return this.operators.listAccounts(query);
  }

  @Get('accounts/:id')
  @Summary('Get an account with its plan, members, keys and what it used')
  @Problems(operatorProblems.operator_account_not_found)
  @ResponseSchema(operatorAccountDetailSchema)
  async getAccount(@Param({ schema: accountParamsSchema }) { id }: AccountParams): Promise<OperatorAccountDetail> {
    return found(await this.operators.findAccount(id));
  }

  @Post('accounts/:id/disable')
  @HttpCode(HttpStatus.OK)
  @Summary('Disable an account: none of its keys works any more')
  @Problems(operatorProblems.operator_account_not_found, operatorProblems.operator_sign_in_again)
  @ResponseSchema(operatorChangeSchema)
  async disable(
    @CurrentPrincipal() operator: Principal,
    @Param({ schema: accountParamsSchema }) { id }: AccountParams,
    @Body({ schema: operatorReasonSchema }) { reason }: OperatorReason,
    @IfMatch() seenVersion: number | null,
  ): Promise<OperatorChange> {
    return found(await this.operators.disable({ accountId: id, operator, reason, seenVersion }));
  }

  @Post('accounts/:id/enable')
  @HttpCode(HttpStatus.OK)
  @Summary('Enable a disabled account again')
  @Problems(operatorProblems.operator_account_not_found, operatorProblems.operator_sign_in_again)
  @ResponseSchema(operatorChangeSchema)
  async enable(
    @CurrentPrincipal() operator: Principal,
    @Param({ schema: accountParamsSchema }) { id }: AccountParams,
    @Body({ schema: operatorReasonSchema }) { reason }: OperatorReason,
    @IfMatch() seenVersion: number | null,
  ): Promise<OperatorChange> {
    return found(await this.operators.enable({ accountId: id, operator, reason, seenVersion }));
  }

  @Put('accounts/:id/plan')
  @Summary('Move an account to any plan, also one that is not offered')
  @Problems(
    operatorProblems.operator_account_not_found,
    operatorProblems.operator_plan_unknown,
    operatorProblems.operator_sign_in_again,
  )
  @ResponseSchema(operatorChangeSchema)
  async setPlan(
    @CurrentPrincipal() operator: Principal,
    @Param({ schema: accountParamsSchema }) { id }: AccountParams,
    @Body({ schema: operatorPlanChoiceSchema }) { planId, reason }: OperatorPlanChoice,
    @IfMatch() seenVersion: number | null,
  ): Promise<OperatorChange> {
    const result = await this.operators.setPlan({ accountId: id, operator, reason, seenVersion }, planId);
    if (result === 'plan_unknown') throw operatorProblems.operator_plan_unknown();
    return found(result);
  }

  @Post('accounts/:id/keys/reproject')
  @HttpCode(HttpStatus.OK)
  @Summary("Tell gateways of an account's active keys again")
  @Problems(operatorProblems.operator_account_not_found, operatorProblems.operator_sign_in_again)
  @ResponseSchema(operatorChangeSchema)
  async reprojectKeys(
    @CurrentPrincipal() operator: Principal,
    @Param({ schema: accountParamsSchema }) { id }: AccountParams,
    @Body({ schema: operatorReasonSchema }) { reason }: OperatorReason,
    @IfMatch() seenVersion: number | null,
  ): Promise<OperatorChange> {
    return found(await this.operators.reprojectKeys({ accountId: id, operator, reason, seenVersion }));
  }
}

function found<Result>(result: Result | null): Result {
  if (result === null) throw operatorProblems.operator_account_not_found();
  return result;
}
