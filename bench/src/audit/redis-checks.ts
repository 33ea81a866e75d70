import type { Redis } from 'ioredis';
import type { CheckResult } from './audit.types.js';
import { CheckRecorder } from './check-result.js';
import { rows, type SnapshotClient } from './snapshot.js';

/** Names asked for at once. Redis answers other clients in between. */
const SCAN_COUNT = 1_000;
const SCOPE_NAME = /^tl:\{([0-9A-Za-z]{8})\}:scope:(.+)$/;

interface CommittedTotal {
  tag: string;
  scope: string;
  total: string;
  /** Unix ms at which the scope's period begins; 0 for a balance, which is never taken for new. */
  began_ms: string;
}

const COMMITTED_TOTALS = `
  SELECT a.tag, t.scope, t.total_nano_usd AS total,
         floor(extract(epoch FROM CASE WHEN t.scope = 'balance' THEN timestamptz 'epoch'
           WHEN t.scope LIKE 'day:%' THEN split_part(t.scope, ':', 2)::timestamp AT TIME ZONE 'UTC'
           WHEN t.scope LIKE 'project:%' THEN p.created_at + split_part(t.scope, ':', 3)::integer * interval '720 hours'
           ELSE k.minted_at + split_part(t.scope, ':', 3)::integer * interval '720 hours' END) * 1000)::bigint AS began_ms
    FROM metering.scope_totals t JOIN control.accounts a ON a.id = t.account_id
    LEFT JOIN control.keys k ON k.account_id = t.account_id AND k.id::text = split_part(t.scope, ':', 2)
    LEFT JOIN control.projects p ON p.account_id = t.account_id AND p.id::text = split_part(t.scope, ':', 2)`;

/**
 * What admission believes against what metering committed. A total that Redis holds must be exact, and nothing may be
 * pending. One that it does not hold is *unknown* to admission, which then asks metering before it admits anything: said,
 * but no difference, except where admission would take the absent total for 0.
 */
export async function checkRedisTotals(redis: Redis, client: SnapshotClient): Promise<CheckResult> {
  const check = new CheckRecorder('redis: total = metering, nothing settled or held');
  const committed = await rows<CommittedTotal>(client, COMMITTED_TOTALS);
  const unknown = new Map(committed.map((row) => [`${row.tag} ${row.scope}`, row]));
  for await (const name of scan(redis, 'tl:{*}:scope:*')) {
    const [, tag, scope] = SCOPE_NAME.exec(name) ?? [];
    if (tag === undefined || scope === undefined) continue;
    const fields = await redis.hgetall(name);
    check.equal(`${name} settled`, 0n, BigInt(fields.settled ?? '0'));
    check.equal(`${name} held`, 0n, BigInt(fields.held ?? '0'));
    check.equal(`${name} calls in flight`, 0n, BigInt(fields.calls ?? '0'));
    const row = unknown.get(`${tag} ${scope}`);
    if (fields.total !== undefined) check.equal(`${name} total`, BigInt(row?.total ?? '0'), BigInt(fields.total));
    // A version without a total marks one that admission has to fetch.
    if (fields.total !== undefined || fields.version !== undefined) unknown.delete(`${tag} ${scope}`);
  }
  await checkUnknownTotals(redis, check, [...unknown.values()]);
  return check.result();
}

/** Admission takes an absent total for 0 when its period began after the account's epoch opened: then it has to be 0. */
async function checkUnknownTotals(redis: Redis, check: CheckRecorder, unknown: CommittedTotal[]): Promise<void> {
  const runId = /run_id:(\w+)/.exec(await redis.info('server'))?.[1];
  for (const { tag, scope, total, began_ms } of unknown) {
    const [epoch, openedMs] = await redis.hmget(`tl:{${tag}}:account`, 'epoch', 'epochOpenedMs');
    const isTakenForZero = epoch === runId && Number(began_ms) > Number(openedMs);
    if (isTakenForZero) check.equal(`tl:{${tag}}:scope:${scope} total (absent, taken for 0)`, BigInt(total), 0n);
  }
  if (unknown.length > 0) check.note(`${unknown.length} totals are not loaded in Redis (unknown to admission, not zero)`);
}

/** Every call under way has an entry; after the last one ended there is none. */
export async function checkOpenHolds(redis: Redis): Promise<CheckResult> {
  const check = new CheckRecorder('redis: open holds = 0');
  for await (const name of scan(redis, 'tl:{*}:open')) {
    const open = await redis.hlen(name);
    check.count(1);
    if (open > 0) {
      const [requestId] = await redis.hkeys(name);
      check.difference(name, 0, `${open} (first: ${requestId})`);
    }
  }
  return check.result();
}

/** Calls that Redis still counts as pending. */
export async function countOpenHolds(redis: Redis): Promise<number> {
  let open = 0;
  for await (const name of scan(redis, 'tl:{*}:open')) open += await redis.hlen(name);
  return open;
}

async function* scan(redis: Redis, pattern: string): AsyncGenerator<string> {
  // SCAN may return a name twice.
  const seen = new Set<string>();
  for await (const names of redis.scanStream({ match: pattern, count: SCAN_COUNT })) {
    for (const name of names as string[]) {
      if (seen.has(name)) continue;
      seen.add(name);
      yield name;
    }
  }
}
