import type { ActivityPage } from '@tensorloop/contracts/dashboard-api';
import { type CallPlan, plannedUsage, withoutZeros } from './call-plan.js';

/** A call that was answered whole, and the key it was sent with. */
export interface AnsweredCall {
  plan: CallPlan;
  keyId: string;
}

export interface ActivityComparison {
  rows: number;
  /** Answered calls without a row. */
  lost: number;
  /** Rows that stand there more than once. */
  doubled: number;
  /** Rows that differ from what was asked and answered, and rows of calls nobody was answered. */
  mismatched: number;
  /** Sentences, the first few. */
  examples: string[];
}

const EXAMPLES_MAX = 20;
const DIMENSIONS = ['input', 'input_cache_read', 'output', 'output_reasoning'] as const;

/** Holds every row of the account's activity against what was sent and received, call by call. */
export async function compareActivity(
  answered: Map<string, AnsweredCall>,
  pages: AsyncIterable<ActivityPage>,
): Promise<ActivityComparison> {
  const result: ActivityComparison = { rows: 0, lost: 0, doubled: 0, mismatched: 0, examples: [] };
  const seen = new Set<string>();
  const note = (sentence: string) => {
    if (result.examples.length < EXAMPLES_MAX) result.examples.push(sentence);
  };
  for await (const page of pages) {
    for (const row of page.data) {
      result.rows++;
      if (seen.has(row.requestId)) {
        result.doubled++;
        note(`${row.requestId} has more than one row`);
      }
      seen.add(row.requestId);
      const difference = differs(row, answered.get(row.requestId));
      if (difference === null) continue;
      result.mismatched++;
      note(`${row.requestId}: ${difference}`);
    }
  }
  for (const requestId of answered.keys()) {
    if (seen.has(requestId)) continue;
    result.lost++;
    note(`${requestId} was answered and has no row`);
  }
  return result;
}

function differs(row: ActivityPage['data'][number], call: AnsweredCall | undefined): string | null {
  if (!call) return `a row (${row.outcome}, ${row.httpStatus}) of a call that was not answered`;
  const expected = { ...identity(call), usage: ordered(plannedUsage(call.plan)) };
  const { keyId, model, stream, outcome, httpStatus, estimated } = row;
  const found = { keyId, model, stream, outcome, httpStatus, estimated, usage: ordered(withoutZeros(row.usage)) };
  const [expectedText, foundText] = [JSON.stringify(expected), JSON.stringify(found)];
  return expectedText === foundText ? null : `expected ${expectedText}, found ${foundText}`;
}

function identity({ plan, keyId }: AnsweredCall) {
  return { keyId, model: plan.model, stream: plan.stream, outcome: 'completed', httpStatus: 200, estimated: false };
}

/** Known dimensions first in a fixed order, then any other there may be, so that nothing unexpected is overlooked. */
function ordered(usage: object): [string, number][] {
  const entries = Object.entries(usage) as [string, number][];
  const rank = (name: string) =>
    (DIMENSIONS.indexOf(name as (typeof DIMENSIONS)[number]) + DIMENSIONS.length + 1) % (DIMENSIONS.length + 1);
  return entries.sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b));
}

const PAGE_ROWS = 200;

/** All pages, newest first. `rowsMax` bounds a listing that never ends. */
export async function* allPages(
  read: (limit: number, cursor?: string) => Promise<ActivityPage>,
  rowsMax: number,
): AsyncGenerator<ActivityPage> {
  let cursor: string | undefined;
  for (let rows = 0; rows <= rowsMax; ) {
    const page = await read(PAGE_ROWS, cursor);
    yield page;
    rows += page.data.length;
    if (!page.hasMore || page.nextCursor === null) return;
    cursor = page.nextCursor;
  }
  throw new Error(`the activity has more than ${rowsMax} rows: it does not end, or holds calls that nobody sent`);
}
