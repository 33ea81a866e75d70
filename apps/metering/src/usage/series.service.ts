import { Inject, Injectable } from '@nestjs/common';
import type {
  SeriesGroup,
  SeriesStacks,
  SeriesSum,
  StackBy,
  UsageSeriesGetReply,
  UsageSeriesGetRequest,
} from '@tensorloop/contracts/usage-series';
import { CLOCK, type Clock } from '@tensorloop/nest-kit/clock';
import { FreshnessService } from './freshness.service.js';
import type { GroupedSum } from './series.dto.js';
import { type Attribution, type SeriesRange, type SeriesReader, SeriesRepository, type Stacking } from './series.repository.js';
import { addUp, type GroupSum, NO_CALLS, type Period, periodsOf, ranked, slotsOf, toLatency, without } from './series.rules.js';
import { toStacks } from './stacks.rules.js';

type Request = Omit<UsageSeriesGetRequest, 'accountId'>;
type Group = GroupSum & { group: string | null; startMs?: number };

type Others = Extract<UsageSeriesGetReply, { ok: true }>['others'];

/** What one period came to. */
interface PeriodSums {
  total: SeriesSum;
  groups: Group[];
  others: Others;
  stacks?: SeriesStacks;
}

@Injectable()
export class SeriesService {
  constructor(
    private readonly series: SeriesRepository,
    private readonly freshness: FreshnessService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async get({ accountId, ...request }: UsageSeriesGetRequest): Promise<UsageSeriesGetReply> {
    const periods = periodsOf(request, this.clock());
    if (!periods.ok) return periods;
    // Freshness is read first: what it promises must be in the rows that are read after it.
    const dataThroughMs = await this.freshness.getDataThroughMs();
    const { stackBy: _none, ...unstacked } = request;
    const [current, before] = await Promise.all([
      this.series.inSnapshot(accountId, (sums) =>
        sumPeriod(sums, request, { period: periods.current, withLatency: hasLatency(request) }),
      ),
      this.series.inSnapshot(accountId, (sums) => sumPeriod(sums, unstacked, { period: periods.previous, withLatency: false })),
    ]);
    const isOverTime = request.groupBy === 'day' || request.groupBy === 'hour';
    const names = new Set(current.groups.map(({ group }) => group));
    return {
      ok: true,
      period: bounds(periods.current),
      total: current.total,
      latency: hasLatency(request) ? toLatency(current.groups) : null,
      groups: current.groups.map(toGroup),
      others: current.others,
      ...(current.stacks === undefined ? {} : { stacks: current.stacks }),
      isAttributed: attributionOf(request) !== null,
      previous: {
        ...bounds(periods.previous),
        total: before.total,
        groups: before.groups
          .filter(({ group }) => isOverTime || names.has(group))
          .map(({ sum, group, startMs }) => ({ group, ...(startMs === undefined ? {} : { startMs }), ...sum })),
      },
      dataThroughMs,
    };
  }
}

interface PeriodOptions {
  period: Period;
  withLatency: boolean;
}

async function sumPeriod(sums: SeriesReader, request: Request, options: PeriodOptions): Promise<PeriodSums> {
  const { groupBy, keyId, model } = request;
  const { period, withLatency } = options;
  const range = { startMs: period.startMs, endMs: period.endMs, keyId, model };
  switch (groupBy) {
    case 'day':
    case 'hour':
      return sumOverTime(sums, { ...request, groupBy }, options);
    case 'model':
      return toRanked(await sums.listByModel(range, { withLatency }));
    case 'key':
      return toRanked(await sums.listByKey(range));
    default:
      return sumAttributed(sums, range, dimensionOf({ groupBy, tagName: request.tagName }));
  }
}

async function sumOverTime(
  sums: SeriesReader,
  request: Request & { groupBy: 'day' | 'hour' },
  { period, withLatency }: PeriodOptions,
): Promise<PeriodSums> {
  const { groupBy, keyId, model, stackBy } = request;
  const range = { startMs: period.startMs, endMs: period.endMs, keyId, model };
  const slots = slotsOf(period, groupBy);
  const startsMs = slots.map(({ startMs }) => startMs);
  const attribution = attributionOf(request);
  const found =
    attribution === null
      ? await sums.listBySlot(range, { startsMs, withLatency })
      : await sums.listAttributedBySlot(range, attribution, startsMs);
  const bySlot = new Map(found.map((sum) => [Number(sum.group), sum]));
  const groups = slots.map((slot, at) => ({ ...empty(withLatency), ...bySlot.get(at + 1), ...slot }));
  const summed = { total: total(groups), groups, others: null };
  if (stackBy === undefined) return summed;
  const cells = await sums.listStackCells(range, stackingOf(stackBy), startsMs);
  const hasRest = stackBy.groupBy === 'project' || stackBy.groupBy === 'tag';
  const totals = groups.map(({ sum }) => sum);
  return { ...summed, stacks: toStacks(cells, totals, hasRest) };
}

/** A call has one project and one value of a tag at most, so that what is left of the total has none. */
async function sumAttributed(sums: SeriesReader, range: SeriesRange, dimension: string): Promise<PeriodSums> {
  const named = await sums.listByAttribution(range, dimension);
  const attributed = await sums.sumAttributions(range, dimension);
  const all = await sums.listByModel(range, { withLatency: false });
  const rest = without(total(all), attributed.sum);
  const others = Number(attributed.group) - named.length;
  return {
    total: total(all),
    groups: [...ranked(named).groups, ...(rest.requests > 0 ? [{ group: null, sum: rest }] : [])],
    others: others > 0 ? { groups: others, ...without(attributed.sum, total(named)) } : null,
  };
}

function dimensionOf({ groupBy, tagName }: Pick<Request, 'groupBy' | 'tagName'>): string {
  return groupBy === 'project' ? 'project' : `tag:${tagName}`;
}

function stackingOf({ groupBy, tagName }: StackBy): Stacking {
  if (groupBy === 'model') return { column: 'model' };
  return groupBy === 'key' ? { column: 'key_id' } : { dimension: dimensionOf({ groupBy, tagName }) };
}

/** Null = calls are asked for whatever they are attributed to. */
function attributionOf({ projectId, tag }: Request): Attribution | null {
  if (projectId !== undefined) return { dimension: 'project', value: projectId };
  return tag === undefined ? null : { dimension: `tag:${tag.name}`, value: tag.value };
}

/** Kept by model alone: where keys, projects or tags are asked for or told apart there is none. */
function hasLatency(request: Request): boolean {
  const { groupBy, keyId } = request;
  return keyId === null && attributionOf(request) === null && (groupBy === 'day' || groupBy === 'hour' || groupBy === 'model');
}

function empty(withLatency: boolean): GroupSum {
  return { sum: NO_CALLS, ...(withLatency ? { latency: [], firstByte: [] } : {}) };
}

function total(groups: readonly GroupSum[]): SeriesSum {
  return addUp(groups.map(({ sum }) => sum));
}

function toRanked(groups: readonly GroupedSum[]): PeriodSums {
  return { total: total(groups), ...ranked(groups) };
}

function bounds({ fromDay, toDay, startMs, endMs }: Period) {
  return { fromDay, toDay, startMs, endMs };
}

function toGroup(group: Group): SeriesGroup {
  const latency = group.latency === undefined ? null : toLatency([group]);
  return { group: group.group, ...(group.startMs === undefined ? {} : { startMs: group.startMs }), ...group.sum, latency };
}
