import { Global, Inject, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ControlClient, OperatorClient, RelayClient } from '@tensorloop/db/control-client';
import { HealthRegistry } from '@tensorloop/nest-kit/health';
import { CONFIG, type Config } from '../config.js';

@Injectable()
class DatabaseLifetime implements OnApplicationShutdown {
  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(RelayClient) private readonly relay: RelayClient,
    @Inject(OperatorClient) private readonly operator: OperatorClient,
    @Inject(HealthRegistry) health: HealthRegistry,
  ) {
    health.register('postgres', () => control.ping());
    health.register('postgres_relay', () => relay.ping());
    // Customers need nothing of it.
    health.register('postgres_operator', () => operator.ping(), { isRequired: false });
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.control.close(), this.relay.close(), this.operator.close()]);
  }
}

/**
 * Three clients of three roles: the application sees one account at a time, the relay keys of all accounts and nothing else,
 * operators what role control_operator was granted.
 */
@Global()
@Module({
  providers: [
    { provide: ControlClient, inject: [CONFIG], useFactory: (config: Config) => new ControlClient(config.DATABASE_URL) },
    { provide: RelayClient, inject: [CONFIG], useFactory: (config: Config) => new RelayClient(config.RELAY_DATABASE_URL) },
    {
      provide: OperatorClient,
      inject: [CONFIG],
      useFactory: (config: Config) => new OperatorClient(config.OPERATOR_DATABASE_URL),
    },
    DatabaseLifetime,
  ],
  exports: [ControlClient, RelayClient, OperatorClient],
})
export class DatabaseModule {}
