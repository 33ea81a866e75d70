import { z } from 'zod';
import { daySchema, modelIdSchema, uuid7Schema } from '../identity.js';
import { nanoUsdAmountSchema, usdSchema } from '../nano-usd.js';
import { OTHER_TAGS, summedTagNameSchema, TAG_NAMES_MAX } from '../tags.js';
import { latencySchema, SERIES_STACKS_MAX, type SeriesGrouping, type StackBy, timeZoneSchema } from '../usage-series.js';
import { tagFilterSchema } from './tag-filter.js';

const instantSchema = z.iso.datetime();
const TAG_PREFIX = 'tag:';
const GROUPINGS: readonly string[] = ['day', 'hour', 'model', 'key', 'project'] satisfies SeriesGrouping[];

const groupBySchema = z.string().transform((text, ctx): { groupBy: SeriesGrouping; tagName: string | null } => {
  if (GROUPINGS.includes(text)) return { groupBy: text as SeriesGrouping, tagName: null };
  const tagName = text.slice(TAG_PREFIX.length);
  if (text.startsWith(TAG_PREFIX) && summedTagNameSchema.safeParse(tagName).success) return { groupBy: 'tag', tagName };
  ctx.addIssue({ code: 'custom', message: `expected ${GROUPINGS.join(', ')} or tag:<name>` });
  return z.NEVER;
});

const STACKINGS: readonly string[] = ['model', 'key', 'project'] satisfies SeriesGrouping[];

const stackBySchema = z.string().transform((text, ctx): StackBy => {
  const tagName = text.startsWith(TAG_PREFIX) ? text.slice(TAG_PREFIX.length) : null;
  if (tagName !== null && summedTagNameSchema.safeParse(tagName).success) return { groupBy: 'tag', tagName };
  if (STACKINGS.includes(text)) return { groupBy: text as StackBy['groupBy'], tagName: null };
  ctx.addIssue({ code: 'custom', message: `expected ${STACKINGS.join(', ')} or tag:<name>` });
  return z.NEVER;
});

export const usageSeriesQuerySchema = z.strictObject({
  groupBy: groupBySchema.describe(
    `\`day\`, \`hour\`, \`model\`, \`key\`, \`project\`, or a tag by its name: \`tag:team\`. An account's first ${TAG_NAMES_MAX} names are told apart; calls with further ones are \`tag:${OTHER_TAGS}\`, once each.`,
  ),
  from: daySchema
    .optional()
    .describe('Day of the time zone, included. Left out: of the last 30 days; by hour, of the last two.'),
  to: daySchema.optional().describe('Day of the time zone, included. Left out: today.'),
  timeZone: timeZoneSchema.default('UTC').describe("IANA's name of the time zone whose days are meant: `Europe/Berlin`."),
  keyId: uuid7Schema.optional(),
  model: modelIdSchema.optional(),
  projectId: uuid7Schema.optional().describe('Only by `day` and `hour`, and without another filter.'),
  tag: tagFilterSchema.optional().describe('Name and value of a tag: `team=search`. As `projectId`.'),
  stackBy: stackBySchema
    .optional()
    .describe('With `day` and `hour`: what each of them is made of, by `model`, `key`, `project` or a tag (`tag:team`).'),
});
export type UsageSeriesQuery = z.infer<typeof usageSeriesQuerySchema>;

const sumSchema = z.object({
  requests: z.number().int(),
  failed: z.number().int(),
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  costNanoUsd: nanoUsdAmountSchema,
  costUsd: usdSchema,
});

const periodSchema = z.object({
  /** Days of the time zone, both included. */
  from: daySchema,
  to: daySchema,
  /** The same as instants: from, included, and until, excluded. */
  start: instantSchema,
  end: instantSchema,
});

/** A day, an hour's beginning, a model, a key's or project's id, or a tag's value; null: calls without a project or that tag. */
const groupSchema = sumSchema.extend({
  group: z.string().nullable(),
  label: z.string().nullable().optional().describe('Of keys and projects: the name; null: there is none, or none any more.'),
  start: instantSchema.optional().describe('Of days and hours: from then on.'),
  end: instantSchema.optional().describe('Of days and hours: until then, excluded.'),
});

const stackSchema = z.object({
  total: sumSchema,
  data: z.array(sumSchema).describe("One sum for each day or hour of the answer's own `data`, in its order."),
});

const stacksSchema = z.object({
  stackBy: z.string(),
  series: z
    .array(
      stackSchema.extend({
        group: z.string().nullable(),
        label: z.string().nullable().optional().describe('As in `data`.'),
      }),
    )
    .describe(`The dearest ${SERIES_STACKS_MAX} first; then, of projects and tags, null: calls without one.`),
  others: stackSchema.extend({ groups: z.number().int() }).nullable().describe('All further ones, as one series.'),
});

export const usageSeriesSchema = periodSchema.extend({
  groupBy: z.string(),
  timeZone: z.string(),
  total: sumSchema,
  /** Percentiles within 9.1 % of the true ones; null where they are not kept (of keys, projects and tags). */
  latency: latencySchema.nullable(),
  /** Days and hours in their order, none left out; of all else the dearest hundred. */
  data: z.array(groupSchema.extend({ latency: latencySchema.nullable() })),
  /** The groups beyond those, as one sum. */
  others: sumSchema.extend({ groups: z.number().int() }).nullable(),
  stacks: stacksSchema
    .nullable()
    .describe('Null unless `stackBy` asked for it. Its series and others together are `data`, point by point.'),
  /** As many days just before. */
  previous: periodSchema.extend({ total: sumSchema, data: z.array(groupSchema) }),
  dataThrough: instantSchema,
});
export type UsageSeries = z.infer<typeof usageSeriesSchema>;
