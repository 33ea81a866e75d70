import type { AuditReport, CheckResult, Difference } from '@tensorloop/bench/audit/audit.types';
import type { GatewayDeath, Poisoned } from '../faults/fault.types.js';
import type { ClientRecord } from '../load/client-record.js';
import type { BookedCall, QuarantinedEvent, ServedCall } from './books.js';
import { isLostOnTheWay, type UpstreamCut, WaitingClients } from './excuses.js';
import type { Violation } from './violation.js';

export interface AuditContext {
  clients: readonly ClientRecord[];
  booked: ReadonlyMap<string, BookedCall>;
  served: ReadonlyMap<string, ServedCall>;
  deaths: readonly GatewayDeath[];
  cuts: readonly UpstreamCut[];
  quarantine: readonly QuarantinedEvent[];
  /** What we published, by the hash of its payload. */
  poison: ReadonlyMap<string, Poisoned>;
  /** An event that went with its stream before metering saw it cannot be in quarantine. */
  streamDeletedAtMs: readonly number[];
}

export interface AuditFindings {
  violations: Violation[];
  /** Calls that the provider served, of which no client got a byte, because their gateway died before `accepted` was durable. */
  servedForNobody: string[];
  /** Calls of which the provider's last bytes fell to a cut of ours, between it and the gateway. */
  lostOnTheWay: string[];
}

const QUARANTINE_CHECK = 'quarantine: empty';
/** The two checks that a call served for nobody fails, and is excused from. */
const MISSING_ROW = /^oracle: a (completed call is one call in the books|call of which bytes were sent has a usage row)$/;
const OTHER_END = 'oracle: a call ended the same way on both sides';
const CALL = /^call ([0-9a-f-]{36})$/;
/** Metering reads an event as soon as it is there, unless it is harmed itself: no harm lasts longer, its start included. */
const READ_MS_MAX = 10_000;

/** The audit's differences, without those that a fault of ours explains. */
export function findingsOf(report: AuditReport, context: AuditContext): AuditFindings {
  const { booked, served, clients, deaths, cuts } = context;
  const clientsWithBytes = new Set(clients.flatMap(({ requestId, bytes }) => (requestId && bytes > 0 ? [requestId] : [])));
  const waiting = new WaitingClients(clients, deaths);
  const servedForNobody = new Set<string>();
  const lostOnTheWay = new Set<string>();
  const isExcused = (check: CheckResult, { subject }: Difference) => {
    const requestId = CALL.exec(subject)?.[1] ?? '';
    const at = served.get(requestId);
    if (check.name === OTHER_END && isLostOnTheWay(booked.get(requestId), at, cuts)) {
      lostOnTheWay.add(requestId);
      return true;
    }
    if (!MISSING_ROW.test(check.name) || clientsWithBytes.has(requestId)) return false;
    if (!servedForNobody.has(requestId) && !waiting.take(at)) return false;
    servedForNobody.add(requestId);
    return true;
  };
  const violations: Violation[] = [];
  for (const check of report.checks) {
    if (check.differenceCount === 0 || check.name === QUARANTINE_CHECK) continue;
    const unexplained = check.differences.filter((difference) => !isExcused(check, difference));
    for (const { subject, expected, actual } of unexplained) violations.push({ kind: check.name, subject, expected, actual });
    const unseen = check.differenceCount - check.differences.length;
    if (unseen > 0)
      violations.push({ kind: check.name, subject: 'further differences', expected: '0', actual: String(unseen) });
  }
  violations.push(...checkQuarantine(context));
  return { violations, servedForNobody: [...servedForNobody], lostOnTheWay: [...lostOnTheWay] };
}

/** Exactly what we poisoned the stream with is in quarantine, for the reason it had to be. */
function checkQuarantine({ quarantine, poison, streamDeletedAtMs }: AuditContext): Violation[] {
  const found = new Set(quarantine.map(({ hash }) => hash));
  const foreign = quarantine
    .filter(({ hash, reason }) => poison.get(hash)?.reason !== reason)
    .map(({ hash, reason, requestId }) => ({
      kind: 'quarantine',
      subject: `event ${requestId ?? hash}`,
      expected: poison.get(hash)?.reason ?? 'booked',
      actual: reason,
    }));
  const missing = [...poison]
    .filter(([hash, { publishedAtMs }]) => !found.has(hash) && !streamDeletedAtMs.some((atMs) => wentWith(publishedAtMs, atMs)))
    .map(([hash, { reason }]) => ({
      kind: 'quarantine',
      subject: `poison ${hash}`,
      expected: reason,
      actual: 'not in quarantine',
    }));
  return [...foreign, ...missing];
}

function wentWith(publishedAtMs: number, deletedAtMs: number): boolean {
  return deletedAtMs >= publishedAtMs && deletedAtMs <= publishedAtMs + READ_MS_MAX;
}
