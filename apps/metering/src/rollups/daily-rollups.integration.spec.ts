import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { usageSummaryGetReplySchema, usageSummaryGetRequestSchema } from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { usageSeriesGetReplySchema, usageSeriesGetRequestSchema } from '@tensorloop/contracts/usage-series';
import { DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { defineRpc } from '@tensorloop/nest-kit/rpc';
import { waitUntil } from '@tensorloop/testing/wait-until';
import pg from 'pg';
import { type AskedWorld, startAskedWorld } from '../testing/asked-world.js';
import { newEvent, newTenant } from '../testing/events.js';
import { publish } from '../testing/world.js';

const HOUR_MS = 3_600_000;
/** Between two days whose partitions there are. */
const MIDNIGHT_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS - DAY_MS;

const summaryGet = defineRpc(RPC.meteringUsageSummaryGet, usageSummaryGetRequestSchema, usageSummaryGetReplySchema);
const seriesGet = defineRpc(RPC.meteringUsageSeriesGet, usageSeriesGetRequestSchema, usageSeriesGetReplySchema);

let asked: AskedWorld;

const tenant = { ...newTenant(), mintedAtMs: MIDNIGHT_MS - 10 * DAY_MS };
const secondKey = { ...tenant, keyId: uuid7() };
const at = (hours: number, of = tenant) => newEvent({ tenant: of, admittedAtMs: MIDNIGHT_MS + hours * HOUR_MS + 59_000 });
const truth = at(-1);
const estimate: RequestCompleted = { ...truth, outcome: 'gateway_died', estimated: true, usage: {}, chargeNanoUsd: '0' };
/** Of three days and two keys, in one batch, with an estimate whose truth comes later. */
const calls = [at(-27), at(-26, secondKey), at(-2), at(-1), at(-1, secondKey), at(0), at(0), at(1), at(5, secondKey), at(23)];
const all = [...calls, truth];

beforeAll(async () => {
  asked = await startAskedWorld();
  const { world, ears } = asked;
  await publish(world, ...calls, estimate);
  await waitUntil(() => [...calls, estimate].every(({ requestId }) => ears.has(requestId)), { what: 'every settle-ack' });
  const before = ears.count(truth.requestId);
  await publish(world, truth);
  await waitUntil(() => ears.count(truth.requestId) > before, { what: 'a settle-ack of the correction' });
});
afterAll(() => asked?.stop());

/** Counted here again, from the events. */
function sumOf(events: readonly RequestCompleted[]) {
  const add = (read: (event: RequestCompleted) => number) => events.reduce((sum, event) => sum + read(event), 0);
  return {
    requests: events.length,
    inputTokens: add(({ usage }) => usage.input ?? 0),
    outputTokens: add(({ usage }) => usage.output ?? 0),
    chargeNanoUsd: events.reduce((sum, event) => sum + BigInt(event.chargeNanoUsd), 0n).toString(),
  };
}

const byKey = (keyId: string, events = all) => events.filter((event) => event.keyId === keyId);

describe('sums by the day of UTC (TL-6)', () => {
  it('are those of the hours of the day, of calls on either side of midnight in one batch and of what was corrected too', async () => {
    const differing = await asked.world.database.query(
      `SELECT account_id, day, key_id, model, h.sums AS hours, d.sums AS days
       FROM (SELECT account_id, (hour AT TIME ZONE 'UTC')::date AS day, key_id, model, concat_ws(' ', sum(requests), sum(failed),
               sum(input_tokens), sum(output_tokens), sum(charge_nano_usd)) AS sums FROM metering.hourly_rollups GROUP BY 1, 2, 3, 4) h
       FULL JOIN (SELECT account_id, day, key_id, model, concat_ws(' ', requests, failed, input_tokens, output_tokens, charge_nano_usd)
               AS sums FROM metering.daily_rollups) d USING (account_id, day, key_id, model)
       WHERE h.sums IS DISTINCT FROM d.sums`,
    );
    expect(differing).toEqual([]);
    const [rows] = await asked.world.database.query<{ days: number; failed: number }>(
      'SELECT count(*)::integer AS days, sum(failed)::integer AS failed FROM metering.daily_rollups',
    );
    expect(rows).toEqual({ days: 6, failed: 0 });
  });

  it('are what the summary says of days, models and keys', async () => {
    const range = { fromDay: utcDay(MIDNIGHT_MS - DAY_MS), toDay: utcDay(MIDNIGHT_MS) };
    const summary = await asked.client.call(summaryGet, { accountId: tenant.accountId, ...range });
    if (!summary.ok) throw new Error(summary.message);
    const inRange = all.filter(({ day }) => day >= range.fromDay);
    expect(summary.total).toEqual(sumOf(inRange));
    expect(summary.byDay).toEqual(
      [range.fromDay, range.toDay].map((day) => ({ day, ...sumOf(inRange.filter((event) => event.day === day)) })),
    );
    expect(summary.byModel).toEqual([{ model: truth.model, ...sumOf(inRange) }]);
    expect(summary.byKey).toEqual(
      [tenant.keyId, secondKey.keyId].sort().map((keyId) => ({ keyId, ...sumOf(byKey(keyId, inRange)) })),
    );
  });

  it('come back by what the runbook says where somebody did not write them', async () => {
    const { database } = asked.world;
    const read = () => database.query('SELECT * FROM metering.daily_rollups ORDER BY day, key_id');
    const before = await read();
    await database.query('DELETE FROM metering.daily_rollups WHERE day < $1', [utcDay(MIDNIGHT_MS)]);
    await database.query('UPDATE metering.daily_rollups SET requests = requests - 1, charge_nano_usd = charge_nano_usd - 1');
    const runbook = readFileSync(path.join(import.meta.dirname, '../../../../docs/runbooks/upgrading.md'), 'utf8');
    const [, sql] = /```sql\n(BEGIN;\nLOCK TABLE metering\.hourly_rollups[^`]*)```/.exec(runbook) ?? [];
    const ingest = new pg.Client({ connectionString: database.urls.meteringIngest });
    await ingest.connect();
    try {
      await ingest.query(sql as string);
    } finally {
      await ingest.end();
    }
    expect(await read()).toEqual(before);
  });

  it('make up days of another zone together with the hours at its ends, by key and by model', async () => {
    // Kiritimati is 14 hours ahead: its days begin at 10:00 of the day before in UTC.
    const range = { fromDay: utcDay(MIDNIGHT_MS - DAY_MS), toDay: utcDay(MIDNIGHT_MS), timeZone: 'Pacific/Kiritimati' };
    const inRange = all.filter(({ admittedAtMs }) => admittedAtMs < MIDNIGHT_MS + 10 * HOUR_MS);
    const question = { accountId: tenant.accountId, tagName: null, keyId: null, model: null, ...range };
    const ofKeys = await asked.client.call(seriesGet, { ...question, groupBy: 'key' });
    if (!ofKeys.ok) throw new Error(ofKeys.message);
    expect(ofKeys.total).toMatchObject(sumOf(inRange));
    expect(new Map(ofKeys.groups.map(({ group, requests }) => [group, requests]))).toEqual(
      new Map([tenant.keyId, secondKey.keyId].map((keyId) => [keyId, byKey(keyId, inRange).length])),
    );
    const next = { fromDay: utcDay(MIDNIGHT_MS + DAY_MS), toDay: utcDay(MIDNIGHT_MS + 2 * DAY_MS) };
    const ofModels = await asked.client.call(seriesGet, { ...question, ...next, groupBy: 'model' });
    if (!ofModels.ok) throw new Error(ofModels.message);
    expect(ofModels.previous.total).toMatchObject(sumOf(inRange));
    const ofOne = await asked.client.call(seriesGet, {
      ...question,
      groupBy: 'key',
      keyId: secondKey.keyId,
      model: truth.model,
    });
    if (!ofOne.ok) throw new Error(ofOne.message);
    expect(ofOne.total).toMatchObject(sumOf(byKey(secondKey.keyId, inRange)));
  });
});
