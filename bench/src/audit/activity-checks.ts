import type { NatsConnection } from '@nats-io/transport-node';
import { activityPageSchema } from '@tensorloop/contracts/dashboard-api';
import { ACTIVITY_PAGE_MAX, activityListReplySchema } from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { DIMENSIONS, type Usage } from '@tensorloop/contracts/usage';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { Sums } from './audit.types.js';
import { AuditUnavailable } from './audit.types.js';
import type { DashboardSession } from './dashboard-session.js';
import type { SourceTable } from './snapshot.js';

const RPC_TIMEOUT_MS = 10_000;
/** Guards against a cursor that never ends: more pages than any account here can have. */
const PAGES_MAX = 100_000;

interface ActivityCall {
  requestId: string;
  keyId: string;
  model: string;
  usage: Usage;
  nanoUsd: bigint;
}

interface ActivityPage {
  calls: ActivityCall[];
  /** Where the next page begins, in the words of the surface it came from; null = this was the last. */
  next: string | null;
}

/** Reads the account's whole activity page by page, as a person would, and adds it to the table. Returns the calls read. */
export async function addActivity(
  table: SourceTable,
  accountId: string,
  readPage: (cursor: string | null) => Promise<ActivityPage>,
): Promise<number> {
  let cursor: string | null = null;
  let calls = 0;
  for (let page = 0; page < PAGES_MAX; page++) {
    const answer: ActivityPage = await readPage(cursor);
    for (const call of answer.calls) addCall(table, accountId, call);
    calls += answer.calls.length;
    if (answer.next === null) return calls;
    cursor = answer.next;
  }
  throw new AuditUnavailable(`The activity of account ${accountId} does not end within ${PAGES_MAX} pages.`);
}

function addCall(table: SourceTable, accountId: string, call: ActivityCall): void {
  const row = table.row(accountId, call.keyId, call.model);
  row.sources.activity ??= { requests: 0n, quantities: {}, nanoUsd: 0n };
  const sums: Sums = row.sources.activity;
  sums.requests++;
  sums.nanoUsd += call.nanoUsd;
  for (const dimension of DIMENSIONS) {
    const quantity = call.usage[dimension];
    if (quantity) sums.quantities[dimension] = (sums.quantities[dimension] ?? 0n) + BigInt(quantity);
  }
}

/** Pages of `GET /api/activity`, of the session's own account. */
export function dashboardPages(session: DashboardSession): (cursor: string | null) => Promise<ActivityPage> {
  return async (cursor) => {
    const query = new URLSearchParams({ limit: String(ACTIVITY_PAGE_MAX), ...(cursor === null ? {} : { cursor }) });
    const page = activityPageSchema.parse(await session.get(`/api/activity?${query}`));
    return {
      calls: page.data.map((item) => ({ ...item, nanoUsd: BigInt(item.costNanoUsd) })),
      next: page.hasMore ? page.nextCursor : null,
    };
  };
}

/** Pages of metering's RPC, of any account: what the control plane itself reads. */
export function rpcPages(connection: NatsConnection, accountId: string): (cursor: string | null) => Promise<ActivityPage> {
  return async (cursor) => {
    const data = { accountId, before: cursor, limit: ACTIVITY_PAGE_MAX, keyId: null, model: null };
    const message = await connection
      .request(RPC.meteringActivityList, JSON.stringify({ id: uuid7(), pattern: RPC.meteringActivityList, data }), {
        timeout: RPC_TIMEOUT_MS,
      })
      .catch((error: Error) => {
        throw new AuditUnavailable(`Metering does not answer ${RPC.meteringActivityList}: ${error.message}. Is it running?`);
      });
    const reply = activityListReplySchema.parse(message.json<{ response?: unknown }>().response);
    if (!reply.ok)
      throw new AuditUnavailable(`Metering refuses to list the activity of account ${accountId}: ${reply.message}`);
    return {
      calls: reply.rows.map((row) => ({ ...row, nanoUsd: BigInt(row.chargeNanoUsd) })),
      next: reply.hasMore ? (reply.rows.at(-1)?.requestId ?? null) : null,
    };
  };
}
