import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { accountChangedSchema } from './account-changed.js';
import { gatewayHeartbeatSchema, reassertReplySchema, reassertRequestSchema } from './gateway-registry.js';
import { keyProjectionSchema } from './key-projection.js';
import { modelCatalogueSchema } from './model-catalogue.js';
import { oracleRecordSchema } from './oracle-record.js';
import { priceBookSchema } from './price-book.js';
import { requestCompletedSchema } from './request-completed.js';
import { requestRefusedSchema } from './request-refused.js';
import * as rpc from './rpc.js';
import { gatewaySettledSchema } from './settle-ack.js';
import * as subjects from './subjects.js';
import * as series from './usage-series.js';

const SAMPLES = path.join(import.meta.dirname, '../samples');

/**
 * What two deployables both see, by the name of its folder in `samples`. A sample is a message as a release once wrote it:
 * it is added and never changed, since such messages are in journals, streams and buckets, and are still being sent by
 * whichever service was not upgraded yet.
 */
const CONTRACTS: Record<string, z.ZodType> = {
  [subjects.REQUEST_COMPLETED]: requestCompletedSchema,
  [subjects.REQUEST_REFUSED]: requestRefusedSchema,
  [subjects.ACCOUNT_CHANGED]: accountChangedSchema,
  'gateway.settled.v1': gatewaySettledSchema,
  [subjects.GATEWAY_REASSERT]: reassertRequestSchema,
  [`${subjects.GATEWAY_REASSERT}.reply`]: reassertReplySchema,
  [subjects.GATEWAYS_BUCKET]: gatewayHeartbeatSchema,
  [`${subjects.SNAPSHOTS_BUCKET}.${subjects.PRICE_BOOK_KEY}`]: priceBookSchema,
  [`${subjects.SNAPSHOTS_BUCKET}.${subjects.MODEL_CATALOGUE_KEY}`]: modelCatalogueSchema,
  'key-projection': keyProjectionSchema,
  'oracle-record': oracleRecordSchema,
  [`${subjects.RPC.controlKeyProject}.request`]: rpc.keyProjectRequestSchema,
  [`${subjects.RPC.controlKeyProject}.reply`]: rpc.keyProjectReplySchema,
  [`${subjects.RPC.meteringTotalsGet}.request`]: rpc.totalsGetRequestSchema,
  [`${subjects.RPC.meteringTotalsGet}.reply`]: rpc.totalsGetReplySchema,
  [`${subjects.RPC.meteringTotalsGetOfAny}.request`]: rpc.totalsGetRequestSchema,
  [`${subjects.RPC.meteringTotalsGetOfAny}.reply`]: rpc.totalsGetReplySchema,
  [`${subjects.RPC.meteringRequestGet}.request`]: rpc.requestGetRequestSchema,
  [`${subjects.RPC.meteringRequestGet}.reply`]: rpc.requestGetReplySchema,
  [`${subjects.RPC.meteringActivityList}.request`]: rpc.activityListRequestSchema,
  [`${subjects.RPC.meteringActivityList}.reply`]: rpc.activityListReplySchema,
  [`${subjects.RPC.meteringRefusalsList}.request`]: rpc.refusalsListRequestSchema,
  [`${subjects.RPC.meteringRefusalsList}.reply`]: rpc.refusalsListReplySchema,
  [`${subjects.RPC.meteringKeyUsageList}.request`]: rpc.keyUsageListRequestSchema,
  [`${subjects.RPC.meteringKeyUsageList}.reply`]: rpc.keyUsageListReplySchema,
  [`${subjects.RPC.meteringUsageSeriesGet}.request`]: series.usageSeriesGetRequestSchema,
  [`${subjects.RPC.meteringUsageSeriesGet}.reply`]: series.usageSeriesGetReplySchema,
  [`${subjects.RPC.meteringUsageSummaryGet}.request`]: rpc.usageSummaryGetRequestSchema,
  [`${subjects.RPC.meteringUsageSummaryGet}.reply`]: rpc.usageSummaryGetReplySchema,
};

const samples = readdirSync(SAMPLES).flatMap((contract) =>
  readdirSync(path.join(SAMPLES, contract)).map((name) => ({ contract, name: `${contract}/${name}` })),
);

const readSample = (name: string): unknown => JSON.parse(readFileSync(path.join(SAMPLES, name), 'utf8'));

/** Every schema with a version of its own in any module of this package. */
async function versionedSchemas(): Promise<[name: string, schema: z.ZodObject][]> {
  const files = readdirSync(import.meta.dirname).filter((file) => /^[a-z0-9-]+\.ts$/.test(file));
  const modules = await Promise.all(files.map((file) => import(`./${file.replace(/\.ts$/, '.js')}`)));
  return modules
    .flatMap((module) => Object.entries(module))
    .filter((entry): entry is [string, z.ZodObject] => entry[1] instanceof z.ZodObject && 'v' in entry[1].shape);
}

describe('recorded samples', () => {
  it('exist for every contract, and every contract that has a version or an RPC pattern is listed', async () => {
    expect([...new Set(samples.map(({ contract }) => contract))].sort()).toEqual(Object.keys(CONTRACTS).sort());
    for (const pattern of Object.values(subjects.RPC)) {
      expect(Object.keys(CONTRACTS)).toEqual(expect.arrayContaining([`${pattern}.request`, `${pattern}.reply`]));
    }
    const listed = new Set(Object.values(CONTRACTS));
    const versioned = await versionedSchemas();
    expect(versioned.length).toBeGreaterThanOrEqual(8);
    expect(versioned.filter(([, schema]) => !listed.has(schema)).map(([name]) => name)).toEqual([]);
  });

  it.each(samples)('$name is accepted, and nothing in it is lost', ({ contract, name }) => {
    const sample = readSample(name);
    // A later release may fill in defaults; what was said stays said.
    expect((CONTRACTS[contract] as z.ZodType).parse(sample)).toMatchObject(sample as object);
  });

  it.each(samples.filter(({ contract }) => contract !== 'oracle-record'))(
    '$name is accepted with a field of a later release',
    ({ contract, name }) => {
      const later = { ...(readSample(name) as object), addedLater: true };
      expect((CONTRACTS[contract] as z.ZodType).safeParse(later).success).toBe(true);
    },
  );
});
