import type { AuditReport, CheckResult } from '@tensorloop/bench/audit/audit.types';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { ClientRecord } from '../load/client-record.js';
import type { AuditContext } from './audit-findings.js';
import type { BookedCall, ServedCall } from './books.js';

export const T0 = Date.UTC(2026, 10, 21);
export const KEY = uuid7(T0);
export const ACCOUNT = uuid7(T0);

export function client(changes: Partial<ClientRecord> = {}): ClientRecord {
  return {
    index: 0,
    gateway: 'gateway-1',
    keyId: KEY,
    accountId: ACCOUNT,
    model: 'gpt-4o-mini',
    stream: false,
    fault: null,
    sentAtMs: T0,
    headAtMs: T0 + 50,
    endedAtMs: T0 + 100,
    requestId: uuid7(T0),
    status: 200,
    bytes: 100,
    ending: 'complete',
    code: null,
    costUsd: '0.00000006',
    ...changes,
  };
}

export function booked(changes: Partial<BookedCall> = {}): BookedCall {
  return {
    requestId: uuid7(T0),
    accountId: ACCOUNT,
    keyId: KEY,
    gatewayId: 'gateway-1',
    model: 'gpt-4o-mini',
    outcome: 'completed',
    isEstimated: false,
    isPrepaid: false,
    admittedAtMs: T0,
    recordedAtMs: T0 + 200,
    windowIndex: 0,
    day: '2026-11-21',
    holdNanoUsd: 100n,
    chargeNanoUsd: 60n,
    overrunNanoUsd: 0n,
    ...changes,
  };
}

export function served(requestId: string, changes: Partial<ServedCall> = {}): ServedCall {
  return {
    requestId,
    model: 'gpt-4o-mini',
    isStream: false,
    firstStartedAtMs: T0,
    lastEndedAtMs: T0 + 100,
    isCompleted: true,
    lastOutcome: 'completed',
    isUsageSent: true,
    isEndedByProvider: true,
    bytesSent: 100,
    ...changes,
  };
}

export function byId<Call extends { requestId: string }>(...calls: Call[]): Map<string, Call> {
  return new Map(calls.map((call) => [call.requestId, call]));
}

export function reportWith(check: Partial<CheckResult> & { name: string }): AuditReport {
  const differences = check.differences ?? [];
  const whole: CheckResult = { compared: 1, differenceCount: differences.length, differences, ...check };
  return { startedAt: '', requests: 1n, table: [], checks: [whole], differences: whole.differenceCount };
}

export const CALM: AuditContext = {
  clients: [],
  booked: new Map(),
  served: new Map(),
  cuts: [],
  deaths: [],
  quarantine: [],
  poison: new Map(),
  streamDeletedAtMs: [],
};
