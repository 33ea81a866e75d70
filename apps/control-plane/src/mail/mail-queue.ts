import type { Logger } from '@tensorloop/observability/logger';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { MailUnavailableError } from './mail.types.js';

const QUEUE = 'mails';
/** The braces keep every key of a queue in one slot of a Redis Cluster. */
const PREFIX = '{bull}';
/** 1 s, 2 s, … 256 s: an SMTP server may be away for eight minutes. */
const ATTEMPTS_MAX = 10;
const RETRY_DELAY_MS = 1_000;
const MAILS_AT_ONCE_MAX = 4;
/** Beyond this many waiting nobody is helped by more of them. */
const MAILS_WAITING_MAX = 10_000;
/** Mails that were given up, kept for whoever asks why. What they carry is sealed. */
const FAILED_KEPT_MAX = 100;
const FAILED_KEPT_SECONDS = 24 * 60 * 60;
/** How long a request waits for Redis to take its mail. */
const ENQUEUE_TIMEOUT_MS = 2_000;
/** Redis may be down at shutdown, and its client would wait for it. */
const CLOSE_TIMEOUT_MS = 2_000;

export interface MailJob {
  name: string;
  /** Sealed: Redis, its backups and its operators read no address and no token. */
  sealed: string;
}

/** The queue of mails in Redis, shared by all replicas, on connections of its own: BullMQ wants other options than the rest. */
export class MailQueue {
  private readonly connections: Redis[];
  private readonly queue: Queue<{ sealed: string }>;
  private readonly worker: Worker<{ sealed: string }>;
  private lastProblem = '';

  constructor(
    redisUrl: string,
    private readonly logger: Logger,
    work: (job: MailJob) => Promise<void>,
  ) {
    // A request that cannot be served says so at once; a worker waits for as long as it takes.
    const producer = new Redis(redisUrl, { maxRetriesPerRequest: 0, enableOfflineQueue: false });
    const consumer = new Redis(redisUrl, { maxRetriesPerRequest: null });
    this.connections = [producer, consumer];
    this.queue = new Queue(QUEUE, { connection: producer, prefix: PREFIX });
    this.worker = new Worker(QUEUE, (job) => work({ name: job.name, sealed: job.data.sealed }), {
      connection: consumer,
      prefix: PREFIX,
      concurrency: MAILS_AT_ONCE_MAX,
    });
    const onError = (err: Error) => this.report(err);
    for (const connection of this.connections) connection.on('error', onError);
    this.queue.on('error', onError);
    this.worker.on('error', onError);
    this.worker.on('ready', () => {
      this.lastProblem = '';
    });
    this.worker.on('failed', (job, err) =>
      this.logger.warn({ err, mail: job?.name, attempt: job?.attemptsMade, attemptsMax: ATTEMPTS_MAX }, 'a mail was not sent'),
    );
  }

  /** Resolves once Redis holds the mail. Rejects with MailUnavailableError. */
  async add({ name, sealed }: MailJob): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new MailUnavailableError('Redis did not take the mail in time')), ENQUEUE_TIMEOUT_MS);
    });
    try {
      await Promise.race([this.put(name, sealed), timeout]);
    } catch (err) {
      throw err instanceof MailUnavailableError ? err : new MailUnavailableError('Redis did not take the mail', { cause: err });
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
    });
    await Promise.race([Promise.allSettled([this.worker.close(), this.queue.close()]), timeout]);
    clearTimeout(timer);
    for (const connection of this.connections) connection.disconnect();
  }

  private async put(name: string, sealed: string): Promise<void> {
    if (this.connections[0]?.status !== 'ready') throw new MailUnavailableError('Redis is not connected');
    const { waiting = 0, delayed = 0 } = await this.queue.getJobCounts('waiting', 'delayed');
    if (waiting + delayed >= MAILS_WAITING_MAX) throw new MailUnavailableError('too many mails are waiting');
    await this.queue.add(
      name,
      { sealed },
      {
        attempts: ATTEMPTS_MAX,
        backoff: { type: 'exponential', delay: RETRY_DELAY_MS },
        removeOnComplete: true,
        removeOnFail: { count: FAILED_KEPT_MAX, age: FAILED_KEPT_SECONDS },
      },
    );
  }

  /** A Redis that is down says so at every attempt to reconnect: once is enough. */
  private report(err: Error): void {
    if (err.message === this.lastProblem) return;
    this.lastProblem = err.message;
    this.logger.warn({ err }, 'the queue of mails has no Redis; no mail is taken or sent');
  }
}
