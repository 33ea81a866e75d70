import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseTrace, type TraceRow } from '@tensorloop/bench/replay/trace';
import { usableRows } from './call-shape.js';

const TRACE = join(import.meta.dirname, '../../../bench/traces/azure-llm-trace-conv.csv');

/** Real production requests, in the order in which they came. */
export function loadTrace(): TraceRow[] {
  return usableRows(parseTrace(readFileSync(TRACE, 'utf8')));
}
