import { type DynamicModule, Inject, Injectable, Module, type OnApplicationShutdown, type Provider } from '@nestjs/common';
import { type ConnectOptions, NatsLink, openNatsLink } from '@tensorloop/messaging/connection';
import { HealthRegistry } from './health.js';

/** Injection token of the service's one NatsConnection. Present only when the module waits for it. */
export const NATS_CONNECTION = Symbol('nats connection');

export interface NatsModuleOptions extends ConnectOptions {
  /**
   * True (default): the app starts once NATS is there, and NATS_CONNECTION can be injected. False: it starts at once and
   * uses `NatsLink` (`link.ready`, `link.current`), as a gateway must.
   */
  waitsForConnection?: boolean;
}

/**
 * Closes the connection in the last hook of the shutdown: whatever publishes or acknowledges stops in `onModuleDestroy` or
 * `beforeApplicationShutdown` and still finds it open. Registers the health check `nats`.
 */
@Injectable()
class NatsLifetime implements OnApplicationShutdown {
  constructor(
    @Inject(NatsLink) private readonly link: NatsLink,
    @Inject(HealthRegistry) health: HealthRegistry,
  ) {
    health.register('nats', async () => {
      if (!link.isConnected) throw new Error('not connected');
      await link.current?.rtt();
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.link.close();
  }
}

/** Needs HealthModule beside it. */
@Module({})
export class NatsModule {
  static forRoot(options: NatsModuleOptions): DynamicModule {
    const providers: Provider[] = [{ provide: NatsLink, useFactory: () => openNatsLink(options) }, NatsLifetime];
    const exported: (symbol | typeof NatsLink)[] = [NatsLink];
    if (options.waitsForConnection !== false) {
      providers.push({ provide: NATS_CONNECTION, inject: [NatsLink], useFactory: (link: NatsLink) => link.ready });
      exported.push(NATS_CONNECTION);
    }
    return { module: NatsModule, global: true, providers, exports: exported };
  }
}
