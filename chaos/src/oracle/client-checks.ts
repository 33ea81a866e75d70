import { formatUsd } from '@tensorloop/kernel/money';
import type { GatewayDeath } from '../faults/fault.types.js';
import type { ClientRecord } from '../load/client-record.js';
import type { BookedCall } from './books.js';
import type { Violation } from './violation.js';

export interface ClientCheckInputs {
  clients: readonly ClientRecord[];
  booked: ReadonlyMap<string, BookedCall>;
  deaths: readonly GatewayDeath[];
}

/** Clocks that two processes read of one machine, and the time between a signal and its effect. */
const CLOCK_MARGIN_MS = 500;

/** What clients saw against the books: nothing lost, nothing given twice, prices as told, errors free. */
export function checkClients({ clients, booked, deaths }: ClientCheckInputs): Violation[] {
  const violations: Violation[] = [];
  const seen = new Set<string>();
  for (const client of clients) {
    const { requestId } = client;
    if (requestId === null) continue;
    if (seen.has(requestId))
      violations.push(violation(client, { kind: 'doubled', expected: 'an id of its own', actual: 'the id of another call' }));
    seen.add(requestId);
    violations.push(...checkCall(client, booked.get(requestId)));
  }
  violations.push(...checkDeaths([...booked.values()], deaths));
  return violations;
}

function checkCall(client: ClientRecord, row: BookedCall | undefined): Violation[] {
  if (client.status !== 200) {
    // What the client was told had failed is free, whatever became of it inside.
    return row && row.chargeNanoUsd > 0n
      ? [violation(client, { kind: 'charged refusal', expected: '0', actual: row.chargeNanoUsd })]
      : [];
  }
  if (!row) return client.bytes > 0 ? [violation(client, { kind: 'lost', expected: 'one usage row', actual: 'none' })] : [];
  if (client.ending === 'complete') return checkComplete(client, row);
  if (client.ending === 'failed' && row.outcome === 'completed')
    return [violation(client, { kind: 'price', expected: 'no full charge for an answer that failed', actual: row.outcome })];
  return [];
}

function checkComplete(client: ClientRecord, row: BookedCall): Violation[] {
  const found: Violation[] = [];
  if (row.outcome !== 'completed') found.push(violation(client, { kind: 'price', expected: 'completed', actual: row.outcome }));
  if (row.isEstimated && client.fault !== 'no_usage')
    found.push(violation(client, { kind: 'price', expected: 'not estimated', actual: 'estimated' }));
  const told = client.costUsd;
  if (told !== null && told !== formatUsd(row.chargeNanoUsd))
    found.push(violation(client, { kind: 'price', expected: told, actual: formatUsd(row.chargeNanoUsd) }));
  return found;
}

/** A call may count as cut by its gateway's death only where that gateway died between its admission and its booking. */
function checkDeaths(rows: readonly BookedCall[], deaths: readonly GatewayDeath[]): Violation[] {
  return rows
    .filter((row) => row.outcome === 'gateway_died' && !deaths.some((death) => explains(death, row)))
    .map((row) => ({
      kind: 'price',
      subject: `call ${row.requestId}`,
      expected: `charged in full: ${row.gatewayId} did not die`,
      actual: 'gateway_died',
    }));
}

function explains(death: GatewayDeath, row: BookedCall): boolean {
  return (
    death.gateway === row.gatewayId &&
    row.admittedAtMs <= death.backAtMs + CLOCK_MARGIN_MS &&
    row.recordedAtMs >= death.atMs - CLOCK_MARGIN_MS
  );
}

interface Finding {
  kind: string;
  expected: string;
  actual: unknown;
}

function violation(client: ClientRecord, { kind, expected, actual }: Finding): Violation {
  const subject = `call ${client.requestId} at ${client.gateway}, which ended ${client.ending}`;
  return { kind, subject, expected, actual: String(actual) };
}
