import { Inject, Injectable } from '@nestjs/common';
import type {
  Installation,
  OperatorErasureListQuery,
  OperatorErasurePage,
  OperatorList,
  OperatorPlanList,
} from '@tensorloop/contracts/api/operator';
import { toCompleteList, toPage } from '@tensorloop/contracts/api/pages';
import { HealthRegistry } from '@tensorloop/nest-kit/health';
import { CLOCK, type Clock } from '../clock.js';
import { CURSORS } from '../pages/cursor.types.js';
import { ErasuresRepository } from './erasures.repository.js';
import { GatewaysClient } from './gateways.client.js';
import { toErasure, toInstallation, toOperatorPlan } from './operators.dto.js';
import { OperatorsRepository } from './operators.repository.js';

/** What concerns no single account. */
@Injectable()
export class InstallationService {
  constructor(
    @Inject(OperatorsRepository) private readonly repository: OperatorsRepository,
    @Inject(ErasuresRepository) private readonly erasures: ErasuresRepository,
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
    return toCompleteList(rows.map(toOperatorPlan));
  }

  async listErasures({ cursor, limit, state }: OperatorErasureListQuery): Promise<OperatorErasurePage> {
    const rows = await this.erasures.list(state ?? null, { before: CURSORS.erasures.read(cursor), limit: limit + 1 });
    return toPage(rows, limit, { cursorOf: ({ accountId }) => CURSORS.erasures.write(accountId), toItem: toErasure });
  }

  async listOperators(): Promise<OperatorList> {
    const rows = await this.repository.listOperators();
    return toCompleteList(rows.map(({ since, ...row }) => ({ ...row, since: since.toISOString() })));
  }
}
