import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { HealthRegistry } from '@tensorloop/nest-kit/health';
import { NestLogger } from '@tensorloop/nest-kit/logging';
import { rpcServerOptions } from '@tensorloop/nest-kit/rpc';
import { AppModule, type Platform } from './app.module.js';
import { IngestConsumer } from './ingest/ingest.consumer.js';

/** Builds the service without listening. */
export async function createApp(platform: Platform): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.forRoot(platform), {
    logger: new NestLogger(platform.logger),
    bodyParser: false,
  });
  app.disable('x-powered-by');
  app.connectMicroservice(rpcServerOptions({ url: platform.config.NATS_URL, name: 'metering' }));
  return app;
}

/**
 * Serves HTTP at once and RPC as soon as NATS is there, so that health can be asked for while it is not. Returns the
 * HTTP address.
 */
export async function listen(app: NestExpressApplication, { config, logger }: Platform): Promise<string> {
  let isServingRpc = false;
  const health = app.get(HealthRegistry);
  const consumer = app.get(IngestConsumer, { strict: false });
  health.register('rpc', () => must(isServingRpc, 'not subscribed'));
  health.register('ingest', () => must(consumer.isReceiving, 'not consuming'));
  await app.listen(config.PORT, config.HOST);
  app.startAllMicroservices().then(
    () => {
      isServingRpc = true;
    },
    (err: unknown) => logger.error({ err }, 'RPC could not be started'),
  );
  return app.getUrl();
}

async function must(isUp: boolean, detail: string): Promise<void> {
  if (!isUp) throw new Error(detail);
}
