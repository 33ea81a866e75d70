import { Injectable } from '@nestjs/common';
import type { SeriesGroup, SeriesSum, UsageSeriesGetReply, UsageSeriesGetRequest } from '@tensorloop/contracts/usage-series';
import { FreshnessService } from './freshness.service.js';
import { type GroupedSum, type SeriesRange, SeriesRepository } from './series.repository.js';
import { addUp, type GroupSum, NO_CALLS, type Period, periodsOf, ranked, slotsOf, toLatency, without } from './series.rules.js';

type Request = Omit<UsageSeriesGetRequest, 'accountId'>;
type Group = GroupSum & { group: string | null; startMs?: number };

type Others = Extract<UsageSeriesGetReply, { ok: true }>['others'];

/** What one period came to. */
interface PeriodSums {
  total: SeriesSum;
  groups: Group[];
  others: Others;
}

@Injectable()
export class SeriesService {
  constructor(
    private readonly series: SeriesRepository,
    private readonly freshness: FreshnessService,
  ) {}

  async get({ accountId, ...request }: UsageSeriesGetRequest): Promise<UsageSeriesGetReply> {
    const periods = periodsOf(request);
    if (!periods.ok) return periods;
    // Freshness is read first: what it promises must be in the rows that are read after it.
    const dataThroughMs = await this.freshness.getDataThroughMs();
    const [current, before] = await Promise.all([
      this.sum(accountId, request, { period: periods.current, withLatency: request.keyId === null }),
      this.sum(accountId, request, { period: periods.previous, withLatency: false }),
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

  private async sum(
    accountId: string,
    request: Request,
    { period, withLatency }: { period: Period; withLatency: boolean },
  ): Promise<PeriodSums> {
    const { groupBy, keyId, model } = request;
    const range = { startMs: period.startMs, endMs: period.endMs, keyId, model };
    switch (groupBy) {
      case 'day':
      case 'hour': {
        const slots = slotsOf(period, groupBy);
        const startsMs = slots.map(({ startMs }) => startMs);
        const found = await this.series.listBySlot(accountId, range, { startsMs, withLatency });
        const bySlot = new Map(found.map((sum) => [Number(sum.group), sum]));
        const groups = slots.map((slot, at) => ({ ...empty(withLatency), ...bySlot.get(at + 1), ...slot }));
        return { total: total(groups), groups, others: null };
      }
      case 'model':
        return toRanked(await this.series.listByModel(accountId, range, { withLatency }));
      case 'key':
        return toRanked(await this.series.listByKey(accountId, range));
      default:
        return this.sumAttributed(accountId, range, groupBy === 'project' ? 'project' : `tag:${request.tagName}`);
    }
  }

  /** A call has one project and one value of a tag at most, so that what is left of the total has none. */
  private async sumAttributed(accountId: string, range: SeriesRange, dimension: string): Promise<PeriodSums> {
    const [named, attributed, all] = await Promise.all([
      this.series.listByAttribution(accountId, range, dimension),
      this.series.sumAttributions(accountId, range, dimension),
      this.series.listByModel(accountId, range, { withLatency: false }),
    ]);
    const rest = without(total(all), attributed.sum);
    const others = Number(attributed.group) - named.length;
    return {
      total: total(all),
      groups: [...ranked(named).groups, ...(rest.requests > 0 ? [{ group: null, sum: rest }] : [])],
      others: others > 0 ? { groups: others, ...without(attributed.sum, total(named)) } : null,
    };
  }
}

/** Kept by model alone: where keys are asked for or told apart there is none. */
function hasLatency({ groupBy, keyId }: Request): boolean {
  return keyId === null && (groupBy === 'day' || groupBy === 'hour' || groupBy === 'model');
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
