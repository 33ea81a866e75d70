import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { type DeclaredRoute, walkRoutes } from '@tensorloop/nest-kit/routes';
import { createLogger } from '@tensorloop/observability/logger';
import { createMetrics } from '@tensorloop/observability/metrics';
import { startTracing } from '@tensorloop/observability/tracing';
import { AppModule } from '../app.module.js';
import { configSchema } from '../config.js';

const NOWHERE = 'postgresql://nobody@nowhere.invalid/none';

/** Every route of the app, without a server: its modules are read and nothing in them is made. */
export async function previewRoutes(): Promise<{ routes: DeclaredRoute[]; baseUrl: string }> {
  const config = configSchema.parse({
    NATS_URL: 'nats://nowhere.invalid',
    DATABASE_URL: NOWHERE,
    RELAY_DATABASE_URL: NOWHERE,
    OPERATOR_DATABASE_URL: NOWHERE,
    REDIS_URL: 'redis://nowhere.invalid',
    KEY_PEPPER: 'no key is ever hashed with this',
  });
  const context = {
    config,
    logger: createLogger({ service: 'preview', level: 'fatal' }),
    metrics: createMetrics('preview'),
    tracing: await startTracing({ service: 'preview', endpoint: undefined }),
    clock: () => 0,
  };
  const app = await NestFactory.createApplicationContext(AppModule.forRoot(context), { preview: true, logger: false });
  return { routes: walkRoutes(app), baseUrl: config.PUBLIC_URL };
}
