import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { REQUEST_COMPLETED } from '@tensorloop/contracts/subjects';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { AuditUnavailable } from './audit.types.js';
import { formatReport } from './audit-table.js';
import { AuditedInstallation, type AuditServers, startAuditServers } from './audited-installation.fixture.js';
import { type BookedCall, oracleLine } from './booked-calls.fixture.js';
import { runAudit } from './run-audit.js';

let servers: AuditServers;
let installation: AuditedInstallation;

beforeAll(async () => {
  servers = await startAuditServers();
});
afterAll(() => servers.stop());
beforeEach(async () => {
  installation = await AuditedInstallation.build(servers);
});
afterEach(() => installation.stop());

const call = (index: number) => installation.calls[index] as BookedCall;
const sql = (text: string) => () => installation.database.query(text);

/** Each falsifies one place by the least that can be wrong there, and names the checks that have to see it. */
const PLANTED: [what: string, plant: () => unknown, ...checks: string[]][] = [
  [
    'one nano-dollar more in a usage row',
    sql(`UPDATE metering.usage SET charge_nano_usd = charge_nano_usd + 1 WHERE outcome = 'completed'`),
    'oracle: quantities and charge of every call, exactly',
    'usage = charges',
    'usage = rollups',
    'usage = activity',
    'usage = oracle',
    'call: charge = sum of its lines',
    'ledger: receivable of an account = its usage',
    'totals: window = its calls',
    'totals: day = its calls',
  ],
  [
    'one nano-dollar less in a charge line',
    sql(`UPDATE metering.charges SET amount_nano_usd = amount_nano_usd - 1 WHERE dimension = 'input_cache_read'`),
    'usage = charges',
    'call: charge = sum of its lines',
    'call: lines = frozen price, half-even, capped by the hold',
    'ledger: receivable of a transaction = its charge lines',
  ],
  [
    'one nano-dollar more in a correction',
    sql('UPDATE metering.corrections SET corrected_nano_usd = corrected_nano_usd + 1'),
    'correction: estimate and further lines = the truth',
  ],
  [
    'further lines of a call that was never corrected',
    sql('DELETE FROM metering.corrections'),
    'correction: estimate and further lines = the truth',
  ],
  [
    'a corrected call that still says that its gateway died',
    () =>
      installation.database.query(`UPDATE metering.usage SET outcome = 'gateway_died' WHERE request_id = $1`, [
        call(1).requestId,
      ]),
    'correction: estimate and further lines = the truth',
  ],
  [
    'a line of a correction that was written twice',
    sql(`INSERT INTO metering.charges (usage_day, request_id, line, account_id, dimension, quantity, unit_price, amount_nano_usd,
           price_version_id, ledger_transaction_id, is_correction)
         SELECT usage_day, request_id, line + 10, account_id, dimension, quantity, unit_price, amount_nano_usd, price_version_id,
           ledger_transaction_id, is_correction FROM metering.charges WHERE is_correction LIMIT 1`),
    'correction: estimate and further lines = the truth',
    'call: charge = sum of its lines',
  ],
  [
    'a rate that is not the frozen one',
    sql(`UPDATE metering.charges SET unit_price = unit_price * 2 WHERE dimension = 'input_cache_read'`),
    'line: rate = the price version frozen in the call',
  ],
  [
    'one token more in a charge line',
    sql(`UPDATE metering.charges SET quantity = quantity + 1 WHERE dimension = 'output'`),
    'line: quantity = the usage of its call',
  ],
  [
    'one nano-dollar in one ledger entry',
    sql(`UPDATE metering.ledger_entries SET amount_nano_usd = amount_nano_usd + 1 WHERE ledger_account = 'revenue'`),
    'ledger: every transaction sums to zero',
  ],
  [
    'one nano-dollar in both entries of a transaction',
    sql('UPDATE metering.ledger_entries SET amount_nano_usd = amount_nano_usd + sign(amount_nano_usd)::bigint'),
    'ledger: receivable of a transaction = its charge lines',
    'ledger: receivable of an account = its usage',
  ],
  [
    'one nano-dollar in a rollup',
    sql(`UPDATE metering.hourly_rollups SET charge_nano_usd = charge_nano_usd + 1 WHERE model = 'llama-3.3-70b'`),
    'usage = rollups',
    'rollups: every hour = its calls',
  ],
  ['one token in a rollup', sql('UPDATE metering.hourly_rollups SET output_tokens = output_tokens + 1'), 'usage = rollups'],
  [
    'a rollup in the wrong hour',
    sql(`UPDATE metering.hourly_rollups SET hour = hour - interval '1 hour'`),
    'rollups: every hour = its calls',
  ],
  [
    'a failed call that no rollup counts as failed',
    sql('UPDATE metering.hourly_rollups SET failed = failed - 1 WHERE failed > 0'),
    'rollups: every hour = its calls',
  ],
  [
    'one nano-dollar in the rollup of a day',
    sql(`UPDATE metering.daily_rollups SET charge_nano_usd = charge_nano_usd + 1 WHERE model = 'llama-3.3-70b'`),
    'rollups: every day = its calls',
  ],
  [
    'a day that was rolled up under the day before',
    sql('UPDATE metering.daily_rollups SET day = day - 1'),
    'rollups: every day = its calls',
  ],
  ['a day that was never rolled up', sql('DELETE FROM metering.daily_rollups'), 'rollups: every day = its calls'],
  [
    'one nano-dollar in the rollup of a model',
    sql(`UPDATE metering.model_rollups SET charge_nano_usd = charge_nano_usd + 1 WHERE model = 'llama-3.3-70b'`),
    'rollups: every hour of a model = its calls',
  ],
  [
    'one nano-dollar in the rollup of a tag',
    sql(`UPDATE metering.attribution_rollups SET charge_nano_usd = charge_nano_usd + 1 WHERE dimension = 'tag:team'`),
    'rollups: every hour of a project or tag = its calls',
  ],
  [
    'sums of a tag whose name is not told apart',
    sql('DELETE FROM metering.tag_names'),
    'rollups: every hour of a project or tag = its calls',
  ],
  [
    'calls among the others whose tag is told apart',
    sql(`UPDATE metering.attribution_rollups SET dimension = 'tag:(other)', value = '(other)' WHERE dimension = 'tag:team'`),
    'rollups: every hour of a project or tag = its calls',
  ],
  [
    'a project without its rollup',
    sql(`DELETE FROM metering.attribution_rollups WHERE dimension = 'project'`),
    'rollups: every hour of a project or tag = its calls',
  ],
  [
    'a call counted at another latency',
    sql(`UPDATE metering.model_rollups SET latency_00 = latency_00 - 1, latency_40 = 1 WHERE model = 'llama-3.3-70b'`),
    'rollups: latency histograms = their calls',
  ],
  [
    'a first byte that nobody got',
    sql(`UPDATE metering.model_rollups SET first_byte_10 = 1 WHERE model = 'llama-3.3-70b'`),
    'rollups: first byte histograms = their calls',
  ],
  [
    'a call that its tag does not find',
    () => installation.database.query('DELETE FROM metering.usage_tags WHERE request_id = $1', [call(0).requestId]),
    'tags: what finds a call = what the call says',
  ],
  [
    'a key that was used later than its last call',
    sql(`UPDATE metering.scope_totals SET last_at = last_at + interval '1 second' WHERE scope LIKE 'window:%'`),
    'keys: last use = the latest call of the window',
  ],
  [
    'one nano-dollar in a window total',
    sql(`UPDATE metering.scope_totals SET total_nano_usd = total_nano_usd + 1 WHERE scope LIKE 'window:%'`),
    'totals: window = its calls',
    'redis: total = metering, nothing settled or held',
  ],
  [
    'one nano-dollar in a day total',
    sql(`UPDATE metering.scope_totals SET total_nano_usd = total_nano_usd + 1 WHERE scope LIKE 'day:%'`),
    'totals: day = its calls',
  ],
  [
    'a call in another window than that of its admission',
    sql('UPDATE metering.usage SET window_index = window_index + 1'),
    'call: window and day are those of its admission (TL-4)',
  ],
  [
    'a failed upstream call that was charged',
    sql(`UPDATE metering.usage SET charge_nano_usd = 1 WHERE outcome = 'upstream_cut'`),
    'call: a failed upstream charges nothing (TL-9)',
  ],
  [
    'a call cut by the gateway and not flagged',
    sql(`UPDATE metering.usage SET is_estimated = false WHERE outcome = 'gateway_died'`),
    'call: cut by the gateway itself is flagged estimated',
  ],
  [
    'a lost usage row',
    () => installation.database.query('DELETE FROM metering.usage WHERE request_id = $1', [call(0).requestId]),
    'oracle: a completed call is one call in the books',
    'usage = activity',
    'call: charge = sum of its lines',
  ],
  [
    'a doubled call under another id',
    plantDoubledCall,
    'oracle: nothing is charged that it did not serve',
    'usage = oracle',
    'usage = rollups',
    'usage = activity',
  ],
  [
    'a call the upstream completed twice',
    () => installation.appendOracle(oracleLine(call(0), { id: 'second' })),
    'oracle: no call completed twice',
  ],
  [
    'one token that the oracle did not serve',
    () => installation.appendOracle(oracleLine(call(1), { completionTokens: 499 })),
    'oracle: quantities and charge of every call, exactly',
    'usage = oracle',
  ],
  [
    'a token written to the cache that the oracle did not serve',
    () =>
      installation.appendOracle(oracleLine(call(4), { quantities: { ...call(4).served.quantities, input_cache_write: 8 } })),
    'oracle: quantities and charge of every call, exactly',
    'usage = oracle',
  ],
  [
    'something served that has no price',
    () => installation.appendOracle(oracleLine(call(4), { quantities: { ...call(4).served.quantities, input_audio: 1 } })),
    'oracle: quantities and charge of every call, exactly',
    'usage = oracle',
  ],
  [
    'a call booked under another endpoint',
    sql(`UPDATE metering.usage SET endpoint = 'embeddings' WHERE endpoint = 'responses'`),
    'oracle: a call is booked under the endpoint that served it',
  ],
  [
    'an estimate above what was served',
    () => installation.appendOracle(oracleLine(call(3), { completionTokens: 1 })),
    'oracle: an estimate is never above what was served',
  ],
  [
    'a completed call booked as failed',
    () => installation.appendOracle(oracleLine(call(2), { outcome: 'completed' })),
    'oracle: a call ended the same way on both sides',
  ],
  [
    'an unreadable line inside the oracle',
    () => installation.appendOracle(`{"v":\n${oracleLine(call(0))}`),
    'oracle: its file is whole',
  ],
  ['one nano-dollar in Redis', () => falsifyRedis('total'), 'redis: total = metering, nothing settled or held'],
  ['one nano-dollar held in Redis', () => falsifyRedis('held'), 'redis: total = metering, nothing settled or held'],
  [
    'one nano-dollar settled and never acknowledged in Redis',
    () => falsifyRedis('settled'),
    'redis: total = metering, nothing settled or held',
  ],
  [
    'a total that vanished from Redis and would be taken for 0',
    async () => {
      const runId = /run_id:(\w+)/.exec(await installation.redis.info('server'))?.[1] as string;
      await installation.redis.flushall();
      await installation.redis.hset(`tl:{${installation.accountTag}}:account`, { epoch: runId, epochOpenedMs: 1 });
    },
    'redis: total = metering, nothing settled or held',
  ],
  [
    'an open hold',
    () => installation.redis.hset(`tl:{${installation.accountTag}}:open`, uuid7(), 'h|1|window|day|gw'),
    'redis: open holds = 0',
  ],
  [
    'a quarantined call',
    sql(
      `INSERT INTO metering.quarantine (id, stream_sequence, reason, detail, payload, payload_hash) VALUES (gen_random_uuid(), 1, 'price_mismatch', 'x', '', '')`,
    ),
    'quarantine: empty',
  ],
  [
    'an entry that never leaves a journal',
    () => {
      installation.journalEntries = 1;
    },
    'journal: every call settle-acknowledged',
  ],
  [
    'an unacknowledged entry in a journal',
    () => {
      installation.unacknowledged = 1;
    },
    'journal: every call settle-acknowledged',
  ],
  [
    'a call missing from the activity list',
    () => {
      installation.activity.pop();
    },
    'usage = activity',
  ],
  [
    'a nano-dollar in the activity list',
    () => {
      installation.activity[0] = { ...call(0), chargeNanoUsd: call(0).chargeNanoUsd + 1n };
    },
    'usage = activity',
  ],
  [
    'a word in an audit log',
    sql("UPDATE control.audit_entries SET action = 'key.revoked' WHERE sequence = 2"),
    'audit log: every chain is as it was written',
  ],
  [
    'an entry gone from an audit log',
    sql('DELETE FROM control.audit_entries WHERE sequence = 2'),
    'audit log: every chain is as it was written',
  ],
  [
    'the end of an audit log gone',
    sql('DELETE FROM control.audit_entries WHERE sequence > 1'),
    'audit log: every chain is as it was written',
  ],
  ['an audit log gone as a whole', sql('DELETE FROM control.audit_entries'), 'audit log: every chain is as it was written'],
];

function falsifyRedis(field: string): Promise<unknown> {
  return installation.redis.keys('tl:*:scope:window:*').then(([name]) => installation.redis.hincrby(name as string, field, 1));
}

async function plantDoubledCall(): Promise<void> {
  const { requestId } = call(0);
  const columns = await installation.database.query<{ name: string }>(
    `SELECT column_name AS name FROM information_schema.columns WHERE table_schema = 'metering' AND table_name = 'usage' AND column_name <> 'request_id'`,
  );
  const names = columns.map(({ name }) => name).join(', ');
  await installation.database.query(
    `INSERT INTO metering.usage (request_id, ${names}) SELECT $2, ${names} FROM metering.usage WHERE request_id = $1`,
    [requestId, uuid7(call(0).admittedAtMs)],
  );
}

describe('books that agree', () => {
  it('have no difference in any place, with and without an oracle', async () => {
    const report = await runAudit(installation.options());
    expect(report.checks.flatMap((check) => check.differences)).toEqual([]);
    expect(report).toMatchObject({ differences: 0, requests: 5n });
    const idle = report.checks.filter((check) => check.compared === 0).map((check) => check.name);
    expect(idle.sort()).toEqual(
      ['redis: open holds = 0', 'quarantine: empty', 'totals: project = its calls, by windows from its creation (TL-4)'].sort(),
    );
    expect(await runAudit(installation.options({ oracleFile: null }))).toMatchObject({ differences: 0, requests: 5n });
  });

  it('are printed with one line per account, key and model, and a verdict', async () => {
    const text = formatReport(await runAudit(installation.options()));
    expect(text.split('\n').filter((line) => line.startsWith(installation.accountId))).toHaveLength(3);
    expect(text).toContain('ok = oracle = charges = rollups = activity');
    expect(text).toContain('5 calls audited');
    expect(text).toContain('no difference');
    expect(text).not.toContain('DIFF');
  });

  it('still agree where the name of a tag is not told apart, and its calls are among the others', async () => {
    await installation.database.query('DELETE FROM metering.tag_names');
    await installation.database.query(
      `UPDATE metering.attribution_rollups SET dimension = 'tag:(other)', value = '(other)' WHERE dimension = 'tag:team'`,
    );
    expect(await runAudit(installation.options())).toMatchObject({ differences: 0 });
  });

  it('still agree when the simulator was killed in the middle of its last line', async () => {
    installation.appendOracle('{"v":1,"id":"to');
    expect(await runAudit(installation.options())).toMatchObject({ differences: 0 });
  });

  it('still agree when Redis forgot a total: that is unknown to admission, not zero', async () => {
    await installation.redis.flushall();
    const report = await runAudit(installation.options());
    expect(report.differences).toBe(0);
    expect(report.checks.find((check) => check.name.startsWith('redis: total'))?.note).toContain('2 totals are not loaded');
  });
});

describe('a planted discrepancy is found', () => {
  it.each(PLANTED)('%s', async (_what, plant, ...checks) => {
    await plant();
    const report = await runAudit(installation.options());
    const failed = report.checks.filter((check) => check.differenceCount > 0).map((check) => check.name);
    expect(failed).toEqual(expect.arrayContaining(checks));
    expect(report.differences).toBeGreaterThan(0);
    expect(formatReport(report)).toContain('DIFF');
  });

  it('a message that metering has not consumed', async () => {
    await jetstream(servers.connection).publish(REQUEST_COMPLETED, 'x');
    const report = await runAudit(installation.options());
    await (await jetstreamManager(servers.connection)).streams.purge('REQUESTS');
    expect(report.checks.find((check) => check.name === 'metering: nothing left to consume')?.differenceCount).toBe(1);
  });

  it('fewer calls than there must have been', async () => {
    expect(await runAudit(installation.options({ requestsMin: 6 }))).toMatchObject({ differences: 1 });
  });
});

describe('an audit that cannot run says what is missing', () => {
  it('Redis, NATS or PostgreSQL does not answer', async () => {
    const nowhere = '127.0.0.1:1';
    for (const changes of [
      { redisUrl: `redis://${nowhere}` },
      { natsUrl: `nats://${nowhere}` },
      { ownerDatabaseUrl: `postgresql://x@${nowhere}/x` },
    ]) {
      await expect(runAudit(installation.options(changes))).rejects.toThrow(AuditUnavailable);
    }
  });

  it('the gateway does not answer, or its metrics lack the gauge', async () => {
    await expect(runAudit(installation.options({ gatewayUrls: ['http://127.0.0.1:1'] }))).rejects.toThrow(
      'its journal cannot be audited',
    );
  });

  it('the oracle file is not there', async () => {
    await expect(runAudit(installation.options({ oracleFile: '/nowhere/oracle.jsonl' }))).rejects.toThrow(AuditUnavailable);
  });
});
