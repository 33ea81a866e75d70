import type { FaultOutcome, GatewayDeath } from '../faults/fault.types.js';
import type { ClientRecord } from '../load/client-record.js';
import type { BookedCall, ServedCall } from './books.js';

/** A gateway's link to the provider, from its cut to its mending. Unix ms. */
export interface UpstreamCut {
  gateway: string;
  atMs: number;
  endedAtMs: number;
}

/** From the provider's last byte to the death that explains why nobody was charged: `accepted` waits for the disk. */
const DEATH_MARGIN_MS = 500;
/** Two clocks of one machine, and the way from the client to the provider. */
const CLOCK_MARGIN_MS = 20;
/** What a busy gateway takes to ask the provider for a client that has left meanwhile. */
const ASKED_MS_MAX = 500;
/** From the provider's last byte, through the link's proxy, to the gateway that reads it, on a machine that is busy. */
const ON_THE_WAY_MS_MAX = 200;

const UPSTREAM = '>upstream';

export function upstreamCuts(outcomes: readonly FaultOutcome[]): UpstreamCut[] {
  return outcomes
    .filter(({ plan, problem }) => plan.kind === 'cut network' && plan.target.endsWith(UPSTREAM) && problem === null)
    .map(({ plan, injectedAtMs, endedAtMs }) => ({
      gateway: plan.target.slice(0, -UPSTREAM.length),
      atMs: injectedAtMs,
      endedAtMs,
    }));
}

/** The provider wrote its last byte, and we cut the link under it: its gateway never read it, and charges nothing. */
export function isLostOnTheWay(row: BookedCall | undefined, at: ServedCall | undefined, cuts: readonly UpstreamCut[]): boolean {
  if (!row || !at || row.chargeNanoUsd !== 0n) return false;
  if (row.outcome !== 'upstream_cut' && row.outcome !== 'upstream_error') return false;
  return cuts.some(
    ({ gateway, atMs, endedAtMs }) =>
      gateway === row.gatewayId &&
      at.firstStartedAtMs <= endedAtMs + ON_THE_WAY_MS_MAX &&
      at.lastEndedAtMs >= atMs - ON_THE_WAY_MS_MAX,
  );
}

/**
 * Calls that the provider served and nobody got: their gateway died before `accepted` was durable. The provider does not
 * know which gateway asked; the client does. So each needs a client of its own that got no answer from a gateway that then
 * died, and a gateway's death excuses no more calls than clients were waiting there.
 */
export class WaitingClients {
  private readonly waiting: Set<ClientRecord>;

  constructor(
    clients: readonly ClientRecord[],
    private readonly deaths: readonly GatewayDeath[],
  ) {
    this.waiting = new Set(clients.filter(({ requestId, bytes }) => requestId === null && bytes === 0));
  }

  /** True when one was there for that call; it is then there for no other. */
  take(at: ServedCall | undefined): boolean {
    if (!at) return false;
    const deaths = this.deaths.filter(
      ({ atMs, goneAtMs }) => at.firstStartedAtMs <= goneAtMs && atMs <= at.lastEndedAtMs + DEATH_MARGIN_MS,
    );
    if (deaths.length === 0) return false;
    for (const client of this.waiting) {
      if (!isClientOf(client, at) || !deaths.some(({ gateway }) => gateway === client.gateway)) continue;
      this.waiting.delete(client);
      return true;
    }
    return false;
  }
}

export function isClientOf(client: ClientRecord, at: ServedCall): boolean {
  return (
    client.model === at.model &&
    client.stream === at.isStream &&
    client.sentAtMs <= at.firstStartedAtMs + CLOCK_MARGIN_MS &&
    client.endedAtMs >= at.firstStartedAtMs - ASKED_MS_MAX
  );
}
