import { Inject, Injectable } from '@nestjs/common';
import type { Installation, OperatorList, OperatorPlanList } from '@tensorloop/contracts/api/operator';
import { HealthRegistry } from '@tensorloop/nest-kit/health';
import { CLOCK, type Clock } from '../clock.js';
import { GatewaysClient } from './gateways.client.js';
import { toInstallation, toOperatorPlan } from './operators.dto.js';
import { OperatorsRepository } from './operators.repository.js';

/** What concerns no single account. */
@Injectable()
export class InstallationService {
  constructor(
    @Inject(OperatorsRepository) private readonly repository: OperatorsRepository,
    @Inject(GatewaysClient) private readonly gateways: GatewaysClient,
    @Inject(HealthRegistry) private readonly health: HealthRegistry,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async describe(): Promise<Installation> {
    const [readiness, gateways, row] = await Promise.all([
      this.health.readiness(),
      this.gateways.list(),
      this.repository.describeInstallation(new Date(this.clock())),
    ]);
    return toInstallation(readiness, gateways, row);
  }

  async listPlans(): Promise<OperatorPlanList> {
    const rows = await this.repository.listPlans();
    return { data: rows.map(toOperatorPlan), hasMore: false, nextCursor: null };
  }

  async listOperators(): Promise<OperatorList> {
    const rows = await this.repository.listOperators();
    return { data: rows.map(({ since, ...row }) => ({ ...row, since: since.toISOString() })) };
  }
}
