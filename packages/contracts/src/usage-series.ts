import { z } from 'zod';
import { daySchema, modelIdSchema, unixMsSchema, uuid7Schema } from './identity.js';
import { rpcFailureSchema, usageSumSchema } from './rpc.js';
import { tagNameSchema } from './tags.js';

/** A series' longest range, and by hour: sums are kept per hour, and a chart shows no more than a few hundred points. */
export const SERIES_DAYS_MAX = 366;
export const SERIES_HOUR_DAYS_MAX = 7;
/** Models, keys, projects and values of a tag that are told apart; the dearest ones, the others as one sum. */
export const SERIES_GROUPS_MAX = 100;

export const SERIES_GROUPINGS = ['day', 'hour', 'model', 'key', 'project', 'tag'] as const;
export type SeriesGrouping = (typeof SERIES_GROUPINGS)[number];

/** IANA's names, such as Europe/Berlin: whether one exists is found out where it is used. */
export const timeZoneSchema = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/, 'expected a time zone of IANA such as Europe/Berlin');

/** Milliseconds; of histograms whose buckets are 19 % wide, so within 9.1 % of the true ones between 8 ms and 6 minutes. */
const percentilesSchema = z.object({ p50: z.number(), p95: z.number(), p99: z.number() });
export const latencySchema = z.object({
  /** Of all calls of the sum, failed ones too. */
  latencyMs: percentilesSchema.nullable(),
  /** Of those of which a first byte was sent. */
  firstByteMs: percentilesSchema.nullable(),
});
export type Latency = z.infer<typeof latencySchema>;

export const seriesSumSchema = usageSumSchema.extend({ failed: z.number().int().nonnegative() });
export type SeriesSum = z.infer<typeof seriesSumSchema>;

/**
 * One day ("2026-11-21"), hour (its beginning in UTC, ISO 8601), model, key, project or value of the tag. Null: calls without a
 * project or without the tag.
 */
export const seriesGroupSchema = seriesSumSchema.extend({
  group: z.string().nullable(),
  /** When a day or an hour begins. */
  startMs: unixMsSchema.optional(),
  /** Null where it is not kept: of keys, projects and tags. */
  latency: latencySchema.nullable(),
});
export type SeriesGroup = z.infer<typeof seriesGroupSchema>;

/** `metering.usage-series.get.v1`: the days [fromDay, toDay] of a time zone, both included, and as many before them. */
export const usageSeriesGetRequestSchema = z.object({
  accountId: uuid7Schema,
  groupBy: z.enum(SERIES_GROUPINGS),
  /** With groupBy "tag". */
  tagName: tagNameSchema.nullable(),
  fromDay: daySchema,
  toDay: daySchema,
  timeZone: timeZoneSchema,
  keyId: uuid7Schema.nullable(),
  model: modelIdSchema.nullable(),
});
export type UsageSeriesGetRequest = z.infer<typeof usageSeriesGetRequestSchema>;

const periodSchema = z.object({ fromDay: daySchema, toDay: daySchema, startMs: unixMsSchema, endMs: unixMsSchema });
export const usageSeriesGetReplySchema = z.union([
  z.object({
    ok: z.literal(true),
    period: periodSchema,
    total: seriesSumSchema,
    /** Null where it is not kept: when one key alone was asked for. */
    latency: latencySchema.nullable(),
    /** Days and hours in their order, none left out; all else the dearest first. */
    groups: z.array(seriesGroupSchema),
    /** What is beyond SERIES_GROUPS_MAX. */
    others: seriesSumSchema.extend({ groups: z.number().int().positive() }).nullable(),
    /** Its groups: every day or hour; of all else those that `groups` names, as far as they were among the dearest then. */
    previous: periodSchema.extend({
      total: seriesSumSchema,
      groups: z.array(seriesSumSchema.extend({ group: z.string().nullable(), startMs: unixMsSchema.optional() })),
    }),
    dataThroughMs: unixMsSchema,
  }),
  rpcFailureSchema,
]);
export type UsageSeriesGetReply = z.infer<typeof usageSeriesGetReplySchema>;
