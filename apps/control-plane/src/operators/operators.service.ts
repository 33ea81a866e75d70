import { Inject, Injectable } from '@nestjs/common';
import type {
  OperatorAccountDetail,
  OperatorAccountListQuery,
  OperatorAccountPage,
  OperatorChange,
} from '@tensorloop/contracts/api/operator';
import { toPage } from '@tensorloop/contracts/api/pages';
import type { Principal } from '../access/principal.types.js';
import type { AuditActor } from '../audit/audit.types.js';
import { CLOCK, type Clock } from '../clock.js';
import { LiveEvents } from '../events/live-events.service.js';
import { CURSORS } from '../pages/cursor.types.js';
import { ProjectionService } from '../projection/projection.service.js';
import { AccountUsageClient } from './account-usage.client.js';
import { toAccount, toDetail } from './operators.dto.js';
import { OperatorsRepository } from './operators.repository.js';
import { disable, enable, reproject, setPlan, statusOf } from './operators.rules.js';
import type { AccountState, Change } from './operators.types.js';

export interface OperatorAct {
  accountId: string;
  operator: Pick<Principal, 'userId' | 'email' | 'credentialId'>;
  reason: string;
  /** The version of the account that the operator saw; null = whatever it is. */
  seenVersion: number | null;
}

@Injectable()
export class OperatorsService {
  constructor(
    @Inject(OperatorsRepository) private readonly repository: OperatorsRepository,
    @Inject(ProjectionService) private readonly projection: ProjectionService,
    @Inject(AccountUsageClient) private readonly usage: AccountUsageClient,
    @Inject(LiveEvents) private readonly events: LiveEvents,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async listAccounts({ cursor, limit, ...filter }: OperatorAccountListQuery): Promise<OperatorAccountPage> {
    const page = { before: CURSORS.operatorAccounts.read(cursor), limit: limit + 1 };
    const rows = await this.repository.listAccounts(filter, page, new Date(this.clock()));
    return toPage(rows, limit, { cursorOf: ({ id }) => CURSORS.operatorAccounts.write(id), toItem: toAccount });
  }

  /** Null when there is no such account. */
  async findAccount(accountId: string): Promise<OperatorAccountDetail | null> {
    const row = await this.repository.findAccount(accountId, new Date(this.clock()));
    if (row === null) return null;
    return toDetail(row, await this.usage.getHeadline(accountId, this.clock()), this.clock());
  }

  /** No key of a disabled account works, and it mints none. Once this answers `isInForce`, at every gateway. */
  disable(act: OperatorAct): Promise<OperatorChange | null> {
    return this.change(act, (before) => disable(before, new Date(this.clock())));
  }

  enable(act: OperatorAct): Promise<OperatorChange | null> {
    return this.change(act, enable);
  }

  /** Any plan, offered or not. 'plan_unknown' when there is no such plan. */
  async setPlan(act: OperatorAct, planId: string): Promise<OperatorChange | 'plan_unknown' | null> {
    if (!(await this.repository.hasPlan(planId))) return 'plan_unknown';
    return this.change(act, (before) => setPlan(before, planId));
  }

  /** Tells gateways of every active key again. */
  reprojectKeys(act: OperatorAct): Promise<OperatorChange | null> {
    return this.change(act, reproject);
  }

  private async change(
    { accountId, operator, reason, seenVersion }: OperatorAct,
    decide: (before: AccountState) => Change,
  ): Promise<OperatorChange | null> {
    const actor: AuditActor = { kind: 'operator', id: operator.userId, label: operator.email };
    const order = { now: new Date(this.clock()), actor, sessionId: operator.credentialId, seenVersion, reason, decide };
    const changed = await this.repository.change(accountId, order);
    if (changed === null) return null;
    // It is not the operator's own account, which is the one that is told of what their requests change.
    this.events.publish(accountId, 'account', 'keys');
    const { state, pending } = changed;
    const isInForce = await this.projection.deliverAll(pending);
    return { accountId, status: statusOf(state), planId: state.planId, keysAnnounced: pending.length, isInForce };
  }
}
