import type { GatewayDeath } from '../faults/fault.types.js';
import type { ClientRecord } from '../load/client-record.js';
import type { BookedCall, ServedCall } from './books.js';
import { isClientOf } from './excuses.js';
import type { Violation } from './violation.js';

export interface EstimateInputs {
  booked: readonly BookedCall[];
  served: ReadonlyMap<string, ServedCall>;
  clients: readonly ClientRecord[];
  /** With the standstills after which a gateway ended its open calls. */
  deaths: readonly GatewayDeath[];
}

/** Clocks that two processes read of one machine, and the time between a signal and its effect. */
const CLOCK_MARGIN_MS = 500;
/** The gateway's `DRAIN_MS_MAX`; no answer here is as long as its bound in bytes. A gateway that stood still ends such a call as its own. */
const DRAIN_MS_MIN = 119_000;
/**
 * A stream notes what it has passed on every 2 s (the gateway's `PROGRESS_MS`), and the note waits for the next write of
 * the journal. What had been flowing for longer when its gateway died cannot have cost nothing.
 */
const PROGRESS_MS_MAX = 2_000 + 1_000;
/** What the provider waits before its first piece, at most, is less than this. */
const FIRST_PIECE_MS_MAX = 500;
/** From a client's sending to the provider's being asked. */
const ADMITTED_MS_MAX = 2_000;

/** Which rows may be estimates, and what may be charged at all where the provider did not end its answer in order. */
export function checkEstimates({ booked, served, clients, deaths }: EstimateInputs): Violation[] {
  const clientOf = new Map(
    clients.flatMap((client) => (client.requestId === null ? [] : [[client.requestId, client] as const])),
  );
  const waiting = new Set(clients.filter(({ requestId }) => requestId === null));
  const violations: Violation[] = [];
  for (const row of booked) {
    const demand = (isMet: boolean, expected: string, actual: string) => {
      if (!isMet) violations.push({ kind: 'price', subject: `call ${row.requestId} at ${row.gatewayId}`, expected, actual });
    };
    const at = served.get(row.requestId);
    const text = `${row.outcome}, ${row.isEstimated ? 'estimated' : 'exact'}, ${row.chargeNanoUsd}`;
    demand(
      row.overrunNanoUsd === 0n,
      'no overrun: the provider keeps to what was asked',
      `${row.overrunNanoUsd} beyond the hold`,
    );
    if (row.outcome === 'gateway_died') {
      const openUntilMs = openUntil(row, at, clientOf.get(row.requestId) ?? takeWaiting(waiting, row, at));
      const death = deaths.find((one) => isCutBy(one, row, openUntilMs));
      demand(death !== undefined, `charged in full: ${row.gatewayId} did not die while the call was open`, text);
      if (death && at)
        demand(row.chargeNanoUsd > 0n || !hasFlowed(at, death, clientOf.get(row.requestId)), 'more than 0', text);
    } else {
      demand(!isFailed(at) || row.chargeNanoUsd === 0n, `0: the provider ended with ${at?.lastOutcome}`, text);
      demand(!row.isEstimated || mayBeCounted(row, at), 'the usage that the provider told', text);
    }
  }
  return violations;
}

function isFailed(at: ServedCall | undefined): boolean {
  return at?.lastOutcome === 'cut' || at?.lastOutcome === 'error';
}

/** Nothing told the usage, or the gateway stopped reading at its bound. */
function mayBeCounted(row: BookedCall, at: ServedCall | undefined): boolean {
  if (!at) return false;
  if (row.outcome === 'drain_capped') return at.lastOutcome === 'client_gone' && lastedMs(at) >= DRAIN_MS_MIN;
  return at.isCompleted && !at.isUsageSent;
}

const lastedMs = ({ firstStartedAtMs, lastEndedAtMs }: ServedCall) => lastEndedAtMs - firstStartedAtMs;

/**
 * Who got no head knows no id. An answer without usage is whole at its gateway long before its client has it: what it comes to
 * is counted first, and the first count waits for the tokenizer to be loaded. Each client waits for one call only.
 */
function takeWaiting(waiting: Set<ClientRecord>, row: BookedCall, at: ServedCall | undefined): ClientRecord | undefined {
  if (!at) return undefined;
  for (const client of waiting) {
    const isItsKey = client.gateway === row.gatewayId && client.keyId === row.keyId;
    if (!isItsKey || !isClientOf(client, at) || client.sentAtMs < at.firstStartedAtMs - ADMITTED_MS_MAX) continue;
    waiting.delete(client);
    return client;
  }
  return undefined;
}

/** The last instant at which somebody saw the call open; where nobody did, the books have to say. */
function openUntil(row: BookedCall, at: ServedCall | undefined, client: ClientRecord | undefined): number {
  const seen = [at?.lastEndedAtMs, client?.endedAtMs].filter((atMs) => atMs !== undefined);
  return seen.length === 0 ? row.recordedAtMs : Math.max(...seen);
}

function isCutBy(death: GatewayDeath, row: BookedCall, openUntilMs: number): boolean {
  return (
    death.gateway === row.gatewayId &&
    row.admittedAtMs <= death.goneAtMs + CLOCK_MARGIN_MS &&
    openUntilMs >= death.atMs - CLOCK_MARGIN_MS
  );
}

/** Its client had got pieces for longer than the gateway may keep what it passed on to itself. */
function hasFlowed(at: ServedCall, death: GatewayDeath, client: ClientRecord | undefined): boolean {
  if (!at.isStream || client?.status !== 200 || client.headAtMs === null) return false;
  const flowedMs = Math.min(death.atMs, at.lastEndedAtMs, client.endedAtMs) - client.headAtMs;
  return flowedMs > PROGRESS_MS_MAX + FIRST_PIECE_MS_MAX;
}
