import { requestIdOf } from '@tensorloop/nest-kit/request-id';
import type { Logger } from '@tensorloop/observability/logger';
import { LATENCY_SECONDS_BUCKETS, type Metrics } from '@tensorloop/observability/metrics';
import type { Tracing } from '@tensorloop/observability/tracing';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { setTraceparent } from '../tracing.types.js';

const SERVER_ERROR_MIN = 500;
/** Probes and scrapes come every few seconds and say nothing new. */
const QUIET_PATHS = /^\/(health|metrics)\b/;

export interface Observers {
  logger: Logger;
  metrics: Metrics;
  tracing: Tracing;
}

/** One log line, one measurement and one span per request. The route's pattern is recorded, never ids out of the path. */
export function observeRequests({ logger, metrics, tracing }: Observers): RequestHandler {
  const seconds = metrics.histogram({
    name: 'tensorloop_http_request_duration_seconds',
    help: 'Time from a request to the end of its answer.',
    labels: ['method', 'route', 'status'],
    buckets: LATENCY_SECONDS_BUCKETS,
  });
  return (req: Request, res: Response, next: NextFunction) => {
    const startedMs = performance.now();
    const requestId = requestIdOf(req);
    const span = tracing.startSpan(`HTTP ${req.method}`, {
      role: 'server',
      parent: req.headers['traceparent']?.toString(),
      attributes: { 'request.id': requestId },
    });
    setTraceparent(req, span.traceparent);
    res.once('close', () => {
      const durationMs = performance.now() - startedMs;
      const route = routeOf(req);
      const status = res.statusCode;
      seconds.observe({ method: req.method, route, status: String(status) }, durationMs / 1_000);
      span.set('http.route', route);
      span.set('http.response.status_code', status);
      if (status >= SERVER_ERROR_MIN) span.fail(`status ${status}`);
      span.end();
      if (!QUIET_PATHS.test(req.path))
        logger.info({ requestId, method: req.method, route, status, durationMs: Math.round(durationMs) }, 'request');
    });
    next();
  };
}

function routeOf(req: Request): string {
  const path = (req.route as { path?: unknown } | undefined)?.path;
  return typeof path === 'string' ? path : 'unmatched';
}
