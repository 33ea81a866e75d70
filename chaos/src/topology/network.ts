import { connectionOwner } from './connection-owner.js';
import { Link } from './link.js';
import { GATEWAYS, type GatewayName, LINKS, type LinkName } from './parts.js';
import { TcpProxy } from './tcp-proxy.js';

/**
 * Every link of the installation, each through a proxy of its own but for the provider's, which the gateways share. Direct: none
 * at all. The proxies live in the process of the load, and where speed is measured its busy moments would be the product's.
 */
export class Network {
  private readonly links = new Map<LinkName, Link>(LINKS.map((name) => [name, new Link(name)]));
  private readonly proxies = new Map<string, TcpProxy>();

  constructor(private readonly isDirect = false) {}

  link(name: LinkName): Link {
    return this.links.get(name) as Link;
  }

  /** The port through which `from` reaches what listens on `targetPort`. */
  async open(name: LinkName, targetPort: number): Promise<number> {
    if (this.isDirect) return targetPort;
    const link = this.link(name);
    return this.keep(name, await TcpProxy.start({ targetPort, linkOf: () => link }));
  }

  /** The provider's one address, which the catalogue gives to every gateway: whose connection it is, the kernel says. */
  async openUpstream(targetPort: number, pidOf: (gateway: GatewayName) => number | null): Promise<number> {
    if (this.isDirect) return targetPort;
    const linkOf = (clientPort: number): Link => {
      const proxyPort = this.proxies.get('upstream')?.port ?? 0;
      const pids = GATEWAYS.map((gateway) => pidOf(gateway) ?? 0);
      const owner = connectionOwner(clientPort, proxyPort, pids);
      const index = owner === null ? 0 : pids.indexOf(owner);
      return this.link(`${GATEWAYS[Math.max(0, index)] as GatewayName}>upstream`);
    };
    return this.keep('upstream', await TcpProxy.start({ targetPort, linkOf }));
  }

  /** Every link as it should be. */
  heal(): void {
    for (const link of this.links.values()) if (link.mode !== 'open') link.set('open');
  }

  async close(): Promise<void> {
    await Promise.all([...this.proxies.values()].map((proxy) => proxy.close()));
  }

  private keep(name: string, proxy: TcpProxy): number {
    this.proxies.set(name, proxy);
    return proxy.port;
  }
}
