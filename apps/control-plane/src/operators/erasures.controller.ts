import { Controller, Get, Inject, Query } from '@nestjs/common';
import {
  type OperatorErasureListQuery,
  type OperatorErasurePage,
  operatorErasureListQuerySchema,
  operatorErasurePageSchema,
} from '@tensorloop/contracts/api/operator';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { Summary } from '@tensorloop/nest-kit/operation';
import { InstallationService } from './installation.service.js';

@Controller('api/operator/erasures')
@Access('operator')
export class ErasuresController {
  constructor(@Inject(InstallationService) private readonly installation: InstallationService) {}

  @Get()
  @Summary('List deletions of accounts: those that wait, are under way or fail')
  @ResponseSchema(operatorErasurePageSchema)
  list(@Query({ schema: operatorErasureListQuerySchema }) query: OperatorErasureListQuery): Promise<OperatorErasurePage> {
    return this.installation.listErasures(query);
  }
}
