import { formatUsd } from '@tensorloop/kernel/money';
import type { ClientRecord } from '../load/client-record.js';
import type { BookedCall } from './books.js';
import type { Violation } from './violation.js';

export interface ClientCheckInputs {
  clients: readonly ClientRecord[];
  booked: ReadonlyMap<string, BookedCall>;
}

/** What clients saw against the books: nothing lost, nothing given twice, prices as told, errors free. */
export function checkClients({ clients, booked }: ClientCheckInputs): Violation[] {
  const violations: Violation[] = [];
  const seen = new Set<string>();
  for (const client of clients) {
    const { requestId } = client;
    if (requestId === null) {
      if (client.status === 200 && client.bytes > 0)
        violations.push(violation(client, { kind: 'lost', expected: 'x-request-id', actual: `${client.bytes} bytes without` }));
      continue;
    }
    if (seen.has(requestId))
      violations.push(violation(client, { kind: 'doubled', expected: 'an id of its own', actual: 'the id of another call' }));
    seen.add(requestId);
    const row = booked.get(requestId);
    violations.push(...checkCall(client, row), ...(row ? checkPayer(client, row) : []));
  }
  return violations;
}

/** Whoever called, with that key, at that gateway, for that model, is who pays for it. */
function checkPayer(client: ClientRecord, row: BookedCall): Violation[] {
  const called = [client.accountId, client.keyId, client.gateway, client.model].join(' ');
  const paid = [row.accountId, row.keyId, row.gatewayId, row.model].join(' ');
  return called === paid ? [] : [violation(client, { kind: 'payer', expected: called, actual: paid })];
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
  if (told === null && !client.stream)
    found.push(violation(client, { kind: 'price', expected: 'a whole answer says what it costs', actual: 'no header' }));
  if (told !== null && told !== formatUsd(row.chargeNanoUsd))
    found.push(violation(client, { kind: 'price', expected: told, actual: formatUsd(row.chargeNanoUsd) }));
  return found;
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
