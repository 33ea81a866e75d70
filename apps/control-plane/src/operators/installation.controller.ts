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
import { Summary } from '@tensorloop/nest-kit/operation';
import { InstallationService } from './installation.service.js';

@Controller('api/operator')
@Access('operator')
export class InstallationController {
  constructor(@Inject(InstallationService) private readonly installation: InstallationService) {}

  @Get('operators')
  @Summary('List who runs the installation')
  @ResponseSchema(operatorListSchema)
  listOperators(): Promise<OperatorList> {
    return this.installation.listOperators();
  }

  @Get('plans')
  @Summary('List every plan, also those that no account is offered')
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
