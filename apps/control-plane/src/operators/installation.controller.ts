import { Controller, Get, Inject } from '@nestjs/common';
import {
  type Installation,
  installationSchema,
  type OperatorList,
  type OperatorPlanList,
  operatorListSchema,
  operatorPlanListSchema,
} from '@tensorloop/contracts/api/operator';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Description, Summary } from '@tensorloop/nest-kit/operation';
import { InstallationService } from './installation.service.js';

@Controller('api/operator')
@Access('operator')
export class InstallationController {
  constructor(@Inject(InstallationService) private readonly installation: InstallationService) {}

  @Get('operators')
  @Summary('List who runs the installation')
  @Description('All of them in one page, who was appointed first at the top.')
  @ResponseSchema(operatorListSchema)
  listOperators(): Promise<OperatorList> {
    return this.installation.listOperators();
  }

  @Get('plans')
  @Summary('List every plan, also those that no account is offered')
  @Description('All of them in one page: there are as many as operators made, a handful.')
  @ResponseSchema(operatorPlanListSchema)
  listPlans(): Promise<OperatorPlanList> {
    return this.installation.listPlans();
  }

  @Get('installation')
  @Summary('Describe the state of the installation')
  @ResponseSchema(installationSchema)
  describe(): Promise<Installation> {
    return this.installation.describe();
  }
}
