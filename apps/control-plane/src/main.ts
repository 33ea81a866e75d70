import { wallClock } from '@tensorloop/nest-kit/clock';
import { injectFaults } from '@tensorloop/nest-kit/faults';
import { shutDownOnSignals } from '@tensorloop/nest-kit/shutdown';
import { createLogger } from '@tensorloop/observability/logger';
import { createMetrics } from '@tensorloop/observability/metrics';
import { startTracing } from '@tensorloop/observability/tracing';
import { type AppContext, buildApp, startApp } from './app.js';
import { readConfig } from './config.js';

const SERVICE = 'control-plane';

const config = readConfig();
const context: AppContext = {
  config,
  logger: createLogger({ service: SERVICE, level: config.LOG_LEVEL }),
  metrics: createMetrics(SERVICE),
  tracing: await startTracing({ service: SERVICE, endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT }),
  clock: wallClock(config.CLOCK_SKEW_MS),
};
injectFaults(config, context.logger);
const app = await buildApp(context);
shutDownOnSignals({ app, logger: context.logger, afterClose: () => context.tracing.shutdown() });
await startApp(app, context);
