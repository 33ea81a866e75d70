import 'reflect-metadata';
import { injectFaults } from '@tensorloop/nest-kit/faults';
import { shutDownOnSignals } from '@tensorloop/nest-kit/shutdown';
import { createLogger } from '@tensorloop/observability/logger';
import { createMetrics } from '@tensorloop/observability/metrics';
import { startTracing } from '@tensorloop/observability/tracing';
import { createApp, listen } from './app.js';
import { readConfig } from './config.js';

const SERVICE = 'metering';
const EXIT_FAILED = 1;

async function boot(): Promise<void> {
  const config = readConfig();
  const logger = createLogger({ service: SERVICE, level: config.LOG_LEVEL });
  injectFaults(config, logger);
  const tracing = await startTracing({ service: SERVICE, endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT });
  const platform = { config, logger, metrics: createMetrics(SERVICE), tracing };
  const app = await createApp(platform);
  shutDownOnSignals({ app, logger, afterClose: () => tracing.shutdown() });
  logger.info({ url: await listen(app, platform) }, 'listening');
}

boot().catch((error: unknown) => {
  process.stderr.write(`metering could not start: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(EXIT_FAILED);
});
