import { activityDetailSchema } from '@tensorloop/contracts/api/activity';
import { keyPageSchema } from '@tensorloop/contracts/api/keys';
import { projectPageSchema } from '@tensorloop/contracts/api/projects';
import { usageSeriesSchema } from '@tensorloop/contracts/api/usage';
import { activityPageSchema, meSchema, usageSummarySchema } from '@tensorloop/contracts/dashboard-api';
import { type FilledAccount, WrongAnswer } from './api.types.js';
import { FILLED_DAYS } from './usage-filling.js';

const DAY_MS = 86_400_000;
const PAGE = 50;
const ZONE = 'timeZone=Europe/Berlin';

export interface Endpoint {
  name: string;
  path: string;
  isBusy: boolean;
  /** Throws WrongAnswer, or what its schema says, where the answer is not the one that was to be measured. */
  check: (answer: unknown) => void;
}

/** What is known of the account besides its ids. */
export interface Known {
  /** A call in the middle of the first page. */
  requestId: string;
  /** Of a page in the middle of the calls. */
  deepCursor: string;
  calls: number;
}

/**
 * The ten that a dashboard asks most: `me` with every page; the keys and projects with their spending, on which people land and
 * which every filter lists; the overview's sums, asked again whenever the live stream says that there are new calls; the
 * activity, its two commonest filters, and the call that somebody clicks on.
 */
export function busyEndpoints(account: FilledAccount, known: Known, nowMs: number): Endpoint[] {
  const [keyId] = account.keyIds;
  const month = `from=${day(nowMs, 29)}&to=${day(nowMs, 0)}&${ZONE}`;
  return [
    busy('who is signed in', '/api/me', (answer) => void meSchema.parse(answer)),
    busy('keys with their spending', '/api/keys', (answer) => {
      const { data } = keyPageSchema.parse(answer);
      sure(data.length === account.keyIds.length, `${data.length} keys`);
      sure(
        data.every(({ spentNanoUsd, lastUsedAt }) => spentNanoUsd !== null && spentNanoUsd !== '0' && lastUsedAt !== null),
        'a key without spending',
      );
    }),
    busy('projects with their spending', '/api/projects', (answer) => {
      sure(projectPageSchema.parse(answer).data.length === account.projectIds.length, 'not all projects');
    }),
    busy('activity, first page', '/api/activity', page(PAGE)),
    busy(
      'activity of a key',
      `/api/activity?keyId=${keyId}`,
      page(PAGE, (item) => item.keyId === keyId),
    ),
    busy(
      'activity, failed calls',
      '/api/activity?status=failed',
      page(PAGE, (item) => item.status === 'failed'),
    ),
    busy('one call', `/api/activity/${known.requestId}`, (answer) => {
      const { requestId, lines } = activityDetailSchema.parse(answer);
      sure(requestId === known.requestId && lines.length === 1, 'another call');
    }),
    busy('summary of 30 days', '/api/usage/summary', (answer) => {
      const { byDay, byKey, total } = usageSummarySchema.parse(answer);
      sure(byDay.length === 30 && byKey?.length === account.keyIds.length && total.requests > 0, 'a summary of something else');
    }),
    busy('30 days by day', `/api/usage/series?groupBy=day&${month}`, series({ groups: 30 })),
    busy('30 days by model', `/api/usage/series?groupBy=model&${month}`, series({ groups: 5 })),
  ];
}

/** The widest questions of each kind, and filters that are asked less. */
export function otherEndpoints(account: FilledAccount, known: Known, nowMs: number): Endpoint[] {
  const { keyIds, projectIds } = account;
  const quarter = `from=${day(nowMs, FILLED_DAYS - 1)}&to=${day(nowMs, 0)}&${ZONE}`;
  const bySeries = (groupBy: string, range: string, groups: number) =>
    other(
      `by ${groupBy}, ${range === quarter ? `${FILLED_DAYS} days` : 'a week'}`,
      `/api/usage/series?groupBy=${groupBy}&${range}`,
      series({ groups }),
    );
  const week = `from=${day(nowMs, 6)}&to=${day(nowMs, 0)}&${ZONE}`;
  return [
    other(
      'activity of a model',
      '/api/activity?model=model-2',
      page(PAGE, (item) => item.model === 'model-2'),
    ),
    other(
      'activity of a project',
      `/api/activity?projectId=${projectIds[0]}`,
      page(PAGE, (item) => item.projectId === projectIds[0]),
    ),
    other(
      'activity of a tag',
      '/api/activity?tag=team%3Dteam-3',
      page(PAGE, (item) => item.tags?.team === 'team-3'),
    ),
    other(
      'activity of a tag, failed calls',
      '/api/activity?tag=team%3Dteam-3&status=failed',
      page(PAGE, (item) => item.tags?.team === 'team-3' && item.status === 'failed'),
    ),
    other(
      'activity, refused calls',
      '/api/activity?status=refused',
      page(PAGE, (item) => item.status === 'refused'),
    ),
    other('activity, admitted and refused', '/api/activity?status=all', page(PAGE)),
    other('activity, a page in the middle', `/api/activity?cursor=${known.deepCursor}`, page(PAGE)),
    other('activity, 200 calls', '/api/activity?limit=200', page(200)),
    other(`summary of ${FILLED_DAYS + 2} days`, `/api/usage/summary?from=${day(nowMs, FILLED_DAYS + 1)}`, (answer) => {
      const { total } = usageSummarySchema.parse(answer);
      sure(total.requests === known.calls, `${total.requests} calls in the summary and not ${known.calls}`);
    }),
    bySeries('day', quarter, FILLED_DAYS),
    bySeries('hour', week, 7 * 24),
    bySeries('model', quarter, 5),
    bySeries('key', quarter, keyIds.length),
    bySeries('project', quarter, projectIds.length + 1),
    bySeries('tag:team', quarter, 9),
    other(`by day in parts of a key, ${FILLED_DAYS} days`, `/api/usage/series?groupBy=day&stackBy=key&${quarter}`, stacked),
    other(
      `by day in parts of a team, ${FILLED_DAYS} days`,
      `/api/usage/series?groupBy=day&stackBy=tag:team&${quarter}`,
      stacked,
    ),
    other(
      `by day, of a project, ${FILLED_DAYS} days`,
      `/api/usage/series?groupBy=day&projectId=${projectIds[0]}&${quarter}`,
      series({ groups: FILLED_DAYS }),
    ),
  ];
}

function busy(name: string, path: string, check: Endpoint['check']): Endpoint {
  return { name, path, check, isBusy: true };
}

function other(name: string, path: string, check: Endpoint['check']): Endpoint {
  return { name, path, check, isBusy: false };
}

type Item = ReturnType<typeof activityPageSchema.parse>['data'][number];

function page(rows: number, fits: (item: Item) => boolean = () => true): Endpoint['check'] {
  return (answer) => {
    const { data } = activityPageSchema.parse(answer);
    sure(data.length === rows && data.every(fits), `${data.length} calls, ${data.filter(fits).length} of them fit the filter`);
  };
}

function series({ groups }: { groups: number }): Endpoint['check'] {
  return (answer) => {
    const { data, total } = usageSeriesSchema.parse(answer);
    const called = data.reduce((sum, { requests }) => sum + requests, 0);
    sure(Math.abs(data.length - groups) <= 1, `${data.length} groups and not ${groups}`);
    sure(total.requests > 0 && called === total.requests, `groups of ${called} calls, ${total.requests} in all`);
  };
}

/** All parts together are the total. */
function stacked(answer: unknown): void {
  const { stacks, total } = usageSeriesSchema.parse(answer);
  if (stacks === null) throw new WrongAnswer('no parts');
  const parts = [...stacks.series, ...(stacks.others === null ? [] : [stacks.others])];
  const called = parts.reduce((sum, part) => sum + part.total.requests, 0);
  sure(parts.length > 1 && called === total.requests, `parts of ${called} calls, ${total.requests} in all`);
}

function sure(isSo: boolean, found: string): void {
  if (!isSo) throw new WrongAnswer(found);
}

function day(nowMs: number, ago: number): string {
  return new Date(nowMs - ago * DAY_MS).toISOString().slice(0, 10);
}
