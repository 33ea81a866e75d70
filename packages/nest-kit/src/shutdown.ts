import type { INestApplicationContext } from '@nestjs/common';
import { flushLogger, type Logger } from '@tensorloop/observability/logger';
import { HealthRegistry } from './health.js';

/** Everything has to be over by then; orchestrators send SIGKILL after 30 s by default. */
export const SHUTDOWN_DEADLINE_MS = 25_000;
const EXIT_CLEAN = 0;
const EXIT_DEADLINE = 1;

export interface ShutdownOptions {
  app: INestApplicationContext;
  logger: Logger;
  /** Serve on for this long after becoming not ready, so that load balancers notice first. 0 where there is none. */
  noticeMs?: number;
  deadlineMs?: number;
  /** After the app has closed, before the logs are flushed: traces, say. */
  afterClose?: () => Promise<void>;
  /** The process; a test passes its own. */
  host?: ShutdownHost;
}

export interface ShutdownHost {
  once(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
  exit(code: number): unknown;
}

/**
 * On SIGTERM or SIGINT: not ready, notice, close the app (its hooks drain what is open), flush, exit 0; exit 1 when the
 * deadline passes first. Further signals change nothing: Ctrl-C in a terminal reaches a process twice, once from the
 * terminal and once from its parent.
 */
export function shutDownOnSignals(options: ShutdownOptions): void {
  const host = options.host ?? process;
  let isShuttingDown = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const onSignal = () => {
      host.once(signal, onSignal);
      if (isShuttingDown) return;
      isShuttingDown = true;
      options.logger.info({ signal }, 'shutting down');
      void shutDown(options).then((code) => host.exit(code));
    };
    host.once(signal, onSignal);
  }
}

async function shutDown(options: ShutdownOptions): Promise<number> {
  const { logger, deadlineMs = SHUTDOWN_DEADLINE_MS } = options;
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), deadlineMs);
  });
  const outcome = await Promise.race([closeAll(options), deadline]);
  clearTimeout(timer);
  if (outcome === 'closed') logger.info('stopped');
  else if (outcome === 'late') logger.error({ deadlineMs }, 'not stopped within the deadline; exiting');
  else logger.error({ err: outcome }, 'stopped with an error');
  await flushLogger(logger);
  return outcome === 'closed' ? EXIT_CLEAN : EXIT_DEADLINE;
}

async function closeAll({ app, noticeMs = 0, afterClose }: ShutdownOptions): Promise<'closed' | Error> {
  try {
    app.get(HealthRegistry, { strict: false }).startDraining();
    if (noticeMs > 0) await new Promise((resolve) => setTimeout(resolve, noticeMs));
    await app.close();
    await afterClose?.();
    return 'closed';
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
