import 'reflect-metadata';
import type { Server } from 'node:http';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { HealthRegistry } from '@tensorloop/nest-kit/health';
import { NestLogger } from '@tensorloop/nest-kit/logging';
import { assignRequestId } from '@tensorloop/nest-kit/request-id';
import { rpcServerOptions } from '@tensorloop/nest-kit/rpc';
import type { Logger } from '@tensorloop/observability/logger';
import type { Metrics } from '@tensorloop/observability/metrics';
import type { Tracing } from '@tensorloop/observability/tracing';
import { keepRequestContext } from './access/request-context.js';
import { AppModule } from './app.module.js';
import { apiGate } from './auth/api-gate.js';
import type { Clock } from './clock.js';
import type { Config } from './config.js';
import { inferenceSignpost } from './surfaces/inference-signpost.js';
import { observeRequests } from './surfaces/request-observer.js';
import { setSecurityHeaders } from './surfaces/security-headers.js';

/** The largest body is a key with 200 model ids. */
const BODY_BYTES_MAX = 64 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
const HEADERS_PER_REQUEST_MAX = 100;
/** Longer than proxies keep an idle connection (60 s is usual): whoever closes first must not be us, just as it is used again. */
const KEEP_ALIVE_MS = 75_000;

export interface AppContext {
  config: Config;
  logger: Logger;
  metrics: Metrics;
  tracing: Tracing;
  clock: Clock;
}

/** Builds the app without listening. `close()` also ends what `startApp` started. */
export async function buildApp(context: AppContext): Promise<NestExpressApplication> {
  const { config, logger } = context;
  const app = await NestFactory.create<NestExpressApplication>(AppModule.forRoot(context), new ExpressAdapter(), {
    bodyParser: false,
    logger: new NestLogger(logger),
  });
  app.disable('x-powered-by');
  // Whoever is named may say for whom it speaks; from anybody else the header is a client's fancy, and limits count by it.
  if (config.TRUSTED_PROXIES.length > 0) app.set('trust proxy', config.TRUSTED_PROXIES);
  // Weak tags, on refusals too; ours are made where the answer is (EntityTagInterceptor).
  app.disable('etag');
  app.use(assignRequestId, keepRequestContext, observeRequests(context), setSecurityHeaders(config.PUBLIC_URL));
  app.use(inferenceSignpost(config.GATEWAY_URL));
  app.use('/api', apiGate({ publicUrl: config.PUBLIC_URL, gatewayUrl: config.GATEWAY_URL }));
  app.useBodyParser('json', { limit: BODY_BYTES_MAX });
  app.connectMicroservice(rpcServerOptions({ url: config.NATS_URL, name: 'control-plane' }));
  boundRequests(app.getHttpServer() as Server);
  return app;
}

/** Listens on HTTP, and answers gateways as soon as NATS is there. Returns the base URL. */
export async function startApp(app: NestExpressApplication, { config, logger }: AppContext): Promise<string> {
  let isAnswering = false;
  app.get(HealthRegistry).register('rpc', async () => {
    if (!isAnswering) throw new Error('gateways are not answered yet');
  });
  await app.listen(config.PORT, config.HOST);
  const url = await app.getUrl();
  logger.info({ url }, 'listening');
  // Not awaited: with NATS away it would wait for ever, and the dashboard works without.
  app.startAllMicroservices().then(
    () => {
      isAnswering = true;
    },
    (err: unknown) => logger.error({ err }, 'gateways cannot be answered'),
  );
  return url;
}

function boundRequests(server: Server): void {
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.maxHeadersCount = HEADERS_PER_REQUEST_MAX;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
}
