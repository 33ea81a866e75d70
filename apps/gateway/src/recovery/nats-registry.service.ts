import type { ReassertReply, ReassertRequest } from '@tensorloop/contracts/gateway-registry';
import type { NatsLink } from '@tensorloop/messaging/connection';
import { listLiveGateways, readRegistry } from '@tensorloop/messaging/heartbeats';
import { requestReassert } from '@tensorloop/messaging/settled';
import type { GatewayRegistry } from './epoch-recovery.service.js';
import type { KnownRegistry } from './known-registry.js';

const DISCONNECTED = 'NATS is not connected, so nobody can say which gateways are alive';

/** The other gateways, as NATS knows them. */
export class NatsRegistry implements GatewayRegistry {
  constructor(
    private readonly link: NatsLink,
    private readonly known: KnownRegistry,
  ) {}

  /** To be called at each beat. */
  async remember(): Promise<void> {
    const { current } = this.link;
    if (current !== null) this.known.remember(await readRegistry(current));
  }

  async listLive(): Promise<string[]> {
    const { current, isConnected } = this.link;
    if (current === null || !isConnected) throw new Error(DISCONNECTED);
    this.known.check(await readRegistry(current));
    return (await listLiveGateways(current)).map((beat) => beat.gatewayId);
  }

  async requestReassert(request: ReassertRequest, wait: { repliesMax: number; timeoutMs: number }): Promise<ReassertReply[]> {
    const { current, isConnected } = this.link;
    if (current === null || !isConnected) throw new Error(DISCONNECTED);
    return requestReassert(current, request, wait);
  }
}
