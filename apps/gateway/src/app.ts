import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { NatsLink } from '@tensorloop/messaging/connection';
import { HealthRegistry } from '@tensorloop/nest-kit/health';
import { NestLogger } from '@tensorloop/nest-kit/logging';
import type { FastifyInstance } from 'fastify';
import { Redis } from 'ioredis';
import { AdmissionGate } from './admission/admission-gate.service.js';
import { RedisClock } from './admission/redis-clock.service.js';
import { AppModule, type Platform } from './app.module.js';
import { ENDPOINTS } from './endpoints.js';
import { watchGateway } from './health/gateway-health.js';
import { GatewayMetrics } from './health/gateway-metrics.service.js';
import { Journal } from './journal/journal.service.js';
import { KeyView } from './keys/key-view.service.js';
import { Listeners } from './lifetime/listeners.js';
import { TokenCounting } from './messages/token-counting.service.js';
import { ModelsList } from './models/models-list.service.js';
import { Capacity } from './proxy/capacity.service.js';
import { bodyError, type RouteParts, registerInferenceRoutes } from './proxy/inference.routes.js';
import { InferenceCalls } from './proxy/inference-call.js';
import { takeCalls } from './proxy/inference-intake.js';
import { OpenCalls } from './proxy/open-calls.service.js';
import { answerParserError } from './proxy/raw-errors.js';
import { RequestBodies } from './proxy/request-bodies.js';
import { RequestView } from './requests/request-view.service.js';
import { RedisWrites } from './settlement/redis-writes.service.js';
import { Shipper } from './settlement/shipper.service.js';

/** A request that has not arrived whole by then is dropped. */
export const REQUEST_TIMEOUT_MS = 60_000;

/**
 * Connections that wait to be accepted; Linux takes the lesser of this and net.core.somaxconn. With Node's 511 a burst of clients is
 * made to wait by TCP itself, for 1, 3, 7 seconds.
 */
const BACKLOG_CONNECTIONS = 4_096;

/** How long the last bytes of ended answers may take to leave before the connections are closed at shutdown. */
export const LAST_BYTES_MS = 500;

/**
 * A server waits for its connections when it closes, for one that never carried a request until the request timeout. By
 * then every call has ended: what is still open after a moment for the last bytes is closed.
 */
function closeConnectionsAtShutdown(fastify: FastifyInstance): void {
  fastify.addHook('preClose', (done) => {
    setTimeout(() => fastify.server.closeAllConnections(), LAST_BYTES_MS);
    done();
  });
}

/** Builds the service without listening. */
export async function createApp(platform: Platform): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    logger: false,
    http: { requireHostHeader: false },
    requestTimeout: REQUEST_TIMEOUT_MS,
    frameworkErrors: bodyError as never,
    clientErrorHandler: answerParserError,
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.forRoot(platform), adapter, {
    logger: new NestLogger(platform.logger),
    bodyParser: false,
    abortOnError: false,
  });
  const get = <Part>(token: new (...args: never[]) => Part) => app.get<Part>(token, { strict: false });
  const clock = get(RedisClock);
  const routes: RouteParts = {
    calls: get(InferenceCalls),
    endpoints: ENDPOINTS,
    bodies: new RequestBodies(),
    models: get(ModelsList),
    ownKey: get(KeyView),
    ownRequests: get(RequestView),
    counting: get(TokenCounting),
    publicUrl: platform.config.PUBLIC_URL,
    dashboardUrl: platform.config.DASHBOARD_URL,
    nowMs: () => clock.nowMs(),
    onDefect: (err, requestId) => platform.logger.error({ err, requestId }, 'a request could not be handled'),
  };
  registerInferenceRoutes(adapter.getInstance() as unknown as FastifyInstance, routes);
  takeCalls(app.getHttpServer(), routes);
  closeConnectionsAtShutdown(adapter.getInstance() as unknown as FastifyInstance);
  watchGateway({
    health: get(HealthRegistry),
    metrics: platform.metrics,
    gatewayMetrics: get(GatewayMetrics),
    capacity: get(Capacity),
    redis: get(Redis),
    link: get(NatsLink),
    journal: get(Journal),
    openCalls: get(OpenCalls),
    gate: get(AdmissionGate),
    writes: get(RedisWrites),
    shipper: get(Shipper),
  });
  return app;
}

/** Serves HTTP; resolves with the address once the last run's calls are settled. */
export async function listen(app: NestFastifyApplication, { config }: Platform): Promise<string> {
  // For "localhost" the framework would make a second server of its own, which takes no calls.
  const host = config.HOST === 'localhost' ? '127.0.0.1' : config.HOST;
  const wanted = { port: config.PORT, host, backlog: BACKLOG_CONNECTIONS };
  const listeners = new Listeners(app.getHttpServer());
  listeners.closeWith(app.getHttpAdapter().getInstance() as unknown as FastifyInstance);
  await app.listen(await listeners.optionsOf(wanted));
  await listeners.open(wanted);
  return app.getUrl();
}
