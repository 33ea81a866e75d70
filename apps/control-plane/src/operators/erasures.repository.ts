import { Inject, Injectable } from '@nestjs/common';
import type { OperatorErasure } from '@tensorloop/contracts/api/operator';
import { OperatorClient } from '@tensorloop/db/control-client';

export interface ErasureRow {
  accountId: string;
  name: string;
  state: OperatorErasure['state'];
  deleteAfter: Date;
  begunAt: Date | null;
  workedAt: Date | null;
  pieces: number;
  failures: number;
  lastError: string | null;
  nextTryAt: Date | null;
  erasedAt: Date | null;
}

/** Deletions of everybody's accounts, as role control_operator. */
@Injectable()
export class ErasuresRepository {
  constructor(@Inject(OperatorClient) private readonly operator: OperatorClient) {}

  /** The newest accounts first, those before `before`. `state` null: all that are not carried out yet. */
  list(state: OperatorErasure['state'] | null, page: { before: string | null; limit: number }): Promise<ErasureRow[]> {
    return this.operator.read(
      (tx) => tx.$queryRaw<ErasureRow[]>`
        SELECT account_id AS "accountId", name, state, delete_after AS "deleteAfter", begun_at AS "begunAt", worked_at AS "workedAt",
          pieces, failures, last_error AS "lastError", next_try_at AS "nextTryAt", erased_at AS "erasedAt"
        FROM control.erasures
        WHERE CASE WHEN ${state}::text IS NULL THEN state <> 'erased' ELSE state = ${state}::text END
          AND (${page.before}::uuid IS NULL OR account_id < ${page.before}::uuid)
        ORDER BY account_id DESC LIMIT ${page.limit}::integer`,
    );
  }
}
