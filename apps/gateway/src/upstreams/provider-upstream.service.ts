import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import type { Credentials } from './credentials.service.js';
import type { HttpTransport } from './http-transport.service.js';
import type { AnswerHandler, Provider, Upstream, UpstreamRequest } from './upstream.types.js';

/** Every name the catalogue may carry, or the build fails. */
export type Providers = Readonly<Record<Deployment['provider'], Provider>>;

/** All providers behind one port: the deployment's provider says where and how, the transport carries it there. */
export class ProviderUpstream implements Upstream {
  constructor(
    private readonly providers: Providers,
    private readonly credentials: Credentials,
    private readonly transport: HttpTransport,
  ) {}

  send(request: UpstreamRequest, handler: AnswerHandler): void {
    const { provider, credential } = request.deployment;
    const secret = credential === null ? null : this.credentials.resolve(credential);
    this.transport.send(request, this.providers[provider].addressOf(request, secret), handler);
  }

  close(): Promise<void> {
    return this.transport.close();
  }
}
