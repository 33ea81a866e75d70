import type { GatewayIdTakenError } from '@tensorloop/messaging/heartbeats';
import type { Logger } from '@tensorloop/observability/logger';

const EXIT_FAILED = 1;

/** What becomes of a gateway whose id belongs to another: it says so and ends, before its start or by a shutdown. */
export class TakenId {
  /** Rejects when NATS has said so. */
  readonly taken: Promise<never>;
  readonly onTaken: (error: GatewayIdTakenError) => void;

  constructor(logger: Logger) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined);
    this.taken = promise;
    this.onTaken = (error) => {
      logger.fatal({ err: error }, error.message);
      reject(error);
    };
  }

  /** An ordinary shutdown, so that open calls are settled; an orchestrator shall see that it was none. */
  endProcess(): void {
    process.once('exit', () => {
      process.exitCode = EXIT_FAILED;
    });
    process.kill(process.pid, 'SIGTERM');
  }
}
