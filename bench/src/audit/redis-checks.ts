import type { Redis } from 'ioredis';
import type { CheckResult } from './audit.types.js';
import { CheckRecorder } from './check-result.js';
import { rows, type SnapshotClient } from './snapshot.js';

/** Names asked for at once. Redis answers other clients in between. */
const SCAN_COUNT = 1_000;
const SCOPE_NAME = /^tl:\{([0-9A-Za-z]{8})\}:scope:(.+)$/;

interface CommittedTotal {
  tag: string;
  account_id: string;
  scope: string;
  total: string;
}

/**
 * What admission believes against what metering committed. A total that Redis does not hold is *unknown* to admission,
 * which then asks metering before it admits anything: not a difference, but said. A total it does hold must be exact.
 */
export async function checkRedisTotals(redis: Redis, client: SnapshotClient): Promise<CheckResult> {
  const check = new CheckRecorder('redis: total = metering, nothing settled or held');
  const committed = await rows<CommittedTotal>(
    client,
    `SELECT a.tag, t.account_id, t.scope, t.total_nano_usd AS total FROM metering.scope_totals t JOIN control.accounts a ON a.id = t.account_id`,
  );
  const totals = new Map(committed.map((row) => [`${row.tag} ${row.scope}`, row.total]));
  let known = 0;
  for await (const name of scan(redis, 'tl:{*}:scope:*')) {
    const [, tag, scope] = SCOPE_NAME.exec(name) ?? [];
    if (tag === undefined || scope === undefined) continue;
    const fields = await redis.hgetall(name);
    const total = totals.get(`${tag} ${scope}`);
    if (total !== undefined) known++;
    check.equal(`${name} total`, BigInt(total ?? '0'), BigInt(fields.total || '0'));
    check.equal(`${name} settled`, 0n, BigInt(fields.settled || '0'));
    check.equal(`${name} held`, 0n, BigInt(fields.held || '0'));
  }
  const unknown = totals.size - known;
  if (unknown > 0) check.note(`${unknown} totals are not loaded in Redis (unknown to admission, not zero)`);
  return check.result();
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
