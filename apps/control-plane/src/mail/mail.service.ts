import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { Metrics } from '@tensorloop/observability/metrics';
import { CONFIG, type Config } from '../config.js';
import { SealingService } from '../sealing/sealing.service.js';
import { type ComposeMail, MailUnavailableError } from './mail.types.js';
import { type MailJob, MailQueue } from './mail-queue.js';
import { MailSender } from './mail-sender.js';

/** What cannot be done without an SMTP server, as it is logged and answered to clients. */
export const MAIL_FEATURES = ['verify_email', 'reset_password', 'sign_in_code', 'invite'] as const;

/**
 * Mails go through a queue, so that a request takes the same time whether or not there is somebody to write to, and an SMTP
 * server that is away delays mails and nothing else.
 */
@Injectable()
export class MailService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly composers = new Map<string, ComposeMail<never>>();
  private queue: MailQueue | null = null;
  private sender: MailSender | null = null;

  private readonly mails;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(SealingService) private readonly sealing: SealingService,
    @Inject(Metrics) metrics: Metrics,
  ) {
    this.mails = metrics.counter({
      name: 'tensorloop_control_mails_total',
      help: 'Mails by kind and outcome: sent, failed (will be tried again, up to a bound), nothing to send, or unreadable.',
      labels: ['mail', 'outcome'],
    });
  }

  /** Whether there is an SMTP server. Without one the product runs and MAIL_FEATURES are off. */
  get isConfigured(): boolean {
    return this.config.SMTP_URL !== undefined;
  }

  /** Says how a mail is made when its turn has come. Call it in `onModuleInit`; names are unique. */
  define<Data>(name: string, compose: ComposeMail<Data>): void {
    if (this.composers.has(name)) throw new Error(`a mail named ${name} is defined already`);
    this.composers.set(name, compose as ComposeMail<never>);
  }

  /** Resolves once the queue holds the mail. Rejects with MailUnavailableError when it does not, whomever the mail is for. */
  async enqueue(name: string, data: unknown): Promise<void> {
    if (!this.composers.has(name)) throw new Error(`no mail named ${name} is defined`);
    if (this.queue === null) throw new MailUnavailableError('no SMTP server is configured');
    await this.queue.add({ name, sealed: this.sealing.seal('mail-job', { name, data }) });
  }

  onApplicationBootstrap(): void {
    const { SMTP_URL, MAIL_FROM, REDIS_URL } = this.config;
    if (SMTP_URL === undefined || MAIL_FROM === undefined) {
      this.logger.warn({ disabled: MAIL_FEATURES }, 'SMTP_URL is not set: no mails, and nothing that needs one');
      return;
    }
    this.sender = new MailSender(SMTP_URL, MAIL_FROM);
    this.queue = new MailQueue(REDIS_URL, this.logger, (job) => this.work(job));
  }

  async onModuleDestroy(): Promise<void> {
    await this.queue?.close();
    this.sender?.close();
  }

  private async work({ name, sealed }: MailJob): Promise<void> {
    const compose = this.composers.get(name);
    const opened = this.sealing.unseal('mail-job', sealed) as { name: string; data: unknown } | null;
    // Sealed under another pepper, for another kind of mail, or by another version. While replicas of two versions or peppers run
    // side by side, the other one can read it: so it is not done, but tried again, and given up with the last attempt.
    if (compose === undefined || opened?.name !== name) {
      this.mails.inc({ mail: 'unknown', outcome: 'unreadable' });
      throw new Error('a mail of the queue is not readable by this replica');
    }
    try {
      const content = await compose(opened.data as never);
      if (content !== null) await this.sender?.send(content);
      this.mails.inc({ mail: name, outcome: content === null ? 'nothing' : 'sent' });
    } catch (err) {
      this.mails.inc({ mail: name, outcome: 'failed' });
      throw err;
    }
  }
}
