import { z } from 'zod';
import { daySchema, modelIdSchema, unixMsSchema, uuid7Schema } from './identity.js';
import { nanoUsdAmountSchema } from './nano-usd.js';
import { rpcFailureSchema, usageSumSchema } from './rpc.js';
import { summedTagNameSchema, tagNameSchema, tagValueSchema } from './tags.js';

/** A series' longest range, and by hour: sums are kept per hour, and a chart shows no more than a few hundred points. */
export const SERIES_DAYS_MAX = 366;
export const SERIES_HOUR_DAYS_MAX = 7;
/** Models, keys, projects and values of a tag that are told apart; the dearest ones, the others as one sum. */
export const SERIES_GROUPS_MAX = 100;

/** Series that are stacked on one another; the dearest ones, the others as one. More could not be told apart by colour either. */
export const SERIES_STACKS_MAX = 10;

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

/** Of one series, one number for each of `groups`, in its order. Columns, because a year of twelve series is to fit into a message. */
export const stackColumnsSchema = z.object({
  requests: z.array(z.number().int().nonnegative()),
  failed: z.array(z.number().int().nonnegative()),
  inputTokens: z.array(z.number().int().nonnegative()),
  outputTokens: z.array(z.number().int().nonnegative()),
  chargeNanoUsd: z.array(nanoUsdAmountSchema),
});
export type StackColumns = z.infer<typeof stackColumnsSchema>;

/** The parts of days or hours: all of them together are what `groups` says, point by point. */
export const seriesStacksSchema = z.object({
  /** The dearest of the period first; then, of projects and tags, null: calls without one. */
  series: z.array(z.object({ group: z.string().nullable(), columns: stackColumnsSchema })),
  /** What is beyond SERIES_STACKS_MAX. */
  others: z.object({ groups: z.number().int().positive(), columns: stackColumnsSchema }).nullable(),
});
export type SeriesStacks = z.infer<typeof seriesStacksSchema>;

/** Of what parts days and hours are to be told. `tagName` with "tag". */
export const stackBySchema = z.object({
  groupBy: z.enum(['model', 'key', 'project', 'tag']),
  tagName: summedTagNameSchema.nullable(),
});
export type StackBy = z.infer<typeof stackBySchema>;

/** `metering.usage-series.get.v1`: the days [fromDay, toDay] of a time zone, both included, and as many before them. */
export const usageSeriesGetRequestSchema = z.object({
  accountId: uuid7Schema,
  groupBy: z.enum(SERIES_GROUPINGS),
  /** With groupBy "tag". */
  tagName: summedTagNameSchema.nullable(),
  fromDay: daySchema,
  toDay: daySchema,
  timeZone: timeZoneSchema,
  keyId: uuid7Schema.nullable(),
  model: modelIdSchema.nullable(),
  /** Of one project, or of one value of a tag: of these sums are kept by time alone. */
  projectId: uuid7Schema.optional(),
  tag: z.object({ name: tagNameSchema, value: tagValueSchema }).optional(),
  /** With groupBy "day" or "hour". */
  stackBy: stackBySchema.optional(),
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
    /** Answers `stackBy`. */
    stacks: seriesStacksSchema.optional(),
    /** Answers `projectId` and `tag`: without it they were not understood, and the sums are of all calls. */
    isAttributed: z.boolean().optional(),
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
