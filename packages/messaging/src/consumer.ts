import { type ConsumerMessages, type JsMsg, jetstream } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection, Subscription } from '@nats-io/transport-node';
import { Pause } from './pause.js';

export const BATCH_MESSAGES_MAX = 1_000;
/** A message may carry many calls. */
export const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/**
 * Messages in the client library on top of that, of up to 128 kB each: as many as a round trip to the server brings. They cannot be
 * reported as in progress, so they must be few enough to be read within METERING_ACK_WAIT_MS, or the server delivers them twice.
 */
export const PREFETCH_MESSAGES_MAX = 64;
/** Where none was read for so long, because what was read before is still being handled, they are given back for others to take. */
export const UNREAD_MS_MAX = 10_000;
/** Wait for company after the first message of a batch: what a lone call pays at low load. */
export const BATCH_LINGER_MS = 10;
/**
 * After a batch of at least so many bytes the next one waits longer: what a batch costs as such is shared by more calls. A call
 * has about 1 kB.
 */
export const BUSY_BATCH_BYTES = 50_000;
export const BUSY_LINGER_MS = 40;
export const VERY_BUSY_BATCH_BYTES = 200_000;
export const VERY_BUSY_LINGER_MS = 120;
/** Pull requests are renewed this often; the server's idle heartbeats in between reveal a lost consumer. */
const PULL_EXPIRES_MS = 10_000;
const PULL_IDLE_HEARTBEAT_MS = 2_000;
/** Messages held longer than this are reported as in progress, so that the server does not deliver them twice. */
const IN_PROGRESS_INTERVAL_MS = 15_000;
const RETRY_DELAY_MS_MIN = 100;
const RETRY_DELAY_MS_MAX = 10_000;
/** Doublings after which the delay has long reached its maximum; keeps the power finite. */
const RETRY_DOUBLINGS_MAX = 16;
/** How long a stop waits for the server to say that nothing is on its way any more. Without a server nobody says so. */
export const STOP_DRAIN_MS_MAX = 2_000;
const NANOSECONDS_PER_MS = 1_000_000n;

export interface BatchMessage {
  subject: string;
  data: Uint8Array;
  headers: MsgHdrs | undefined;
  /** Position in the stream. */
  sequence: number;
  /** 1 at the first delivery. */
  deliveryCount: number;
  /** When the stream took it, by the server's clock (Unix ms). */
  storedAtMs: number;
}

export type BatchConsumerEvent =
  | { type: 'started' }
  | { type: 'handler_failed'; error: unknown; messages: number; retryInMs: number }
  | { type: 'interrupted'; error: unknown; retryInMs: number };

export interface BatchConsumerOptions {
  connection: NatsConnection;
  stream: string;
  consumer: string;
  /** Creates stream and consumer where missing. Called at the start and after every interruption, so it must be idempotent. */
  ensure: () => Promise<void>;
  /** Resolves → every message is acknowledged. Rejects → every message is delivered again later. Must be idempotent. */
  handler: (batch: readonly BatchMessage[]) => Promise<void>;
  onEvent?: (event: BatchConsumerEvent) => void;
  /** A batch's acknowledgements are with the client library; the server need not have them yet. */
  onAcknowledged?: () => void;
  messagesMax?: number;
  lingerMs?: number;
  unreadMsMax?: number;
}

/**
 * Runs a durable pull consumer in batches, one batch at a time. While the handler works the next batch gathers, so under
 * load batches grow by themselves; at rest a message waits BATCH_LINGER_MS at most, and up to VERY_BUSY_LINGER_MS while many come.
 *
 * Held in this process: at most one batch with the handler, one gathering and PREFETCH_MESSAGES_MAX in the client library. The
 * order of the stream is kept except across redeliveries.
 */
export class BatchConsumer {
  private readonly messagesMax: number;
  private readonly lingerMs: number;
  private readonly unreadMsMax: number;
  private gathering: JsMsg[] = [];
  private gatheringBytes = 0;
  private handling: JsMsg[] = [];
  private messages: ConsumerMessages | null = null;
  private isStopping = false;
  private handledLastBytes = 0;
  private failuresInRow = 0;
  private readonly arrived = new Pause();
  private readonly taken = new Pause();
  private readonly restart = new Pause();
  private readonly retry = new Pause();
  private readonly done: Promise<unknown>;

  constructor(private readonly options: BatchConsumerOptions) {
    this.messagesMax = options.messagesMax ?? BATCH_MESSAGES_MAX;
    this.lingerMs = options.lingerMs ?? BATCH_LINGER_MS;
    this.unreadMsMax = options.unreadMsMax ?? UNREAD_MS_MAX;
    this.done = Promise.all([this.receiveForever(), this.handleForever()]);
  }

  /** True while messages are being pulled, or would be if those in hand were not enough. */
  get isReceiving(): boolean {
    return this.messages !== null || this.isGathered;
  }

  /** Lets the batch in progress finish, gives everything else back to the server at once, and ends. */
  async stop(): Promise<void> {
    this.isStopping = true;
    const ended = this.messages === null ? undefined : drainMessages(this.messages);
    for (const pause of [this.arrived, this.taken, this.restart, this.retry]) pause.wake();
    await ended;
    await this.done;
  }

  private async receiveForever(): Promise<void> {
    let interruptions = 0;
    while (!this.isStopping) {
      try {
        const isGivenBack = await this.receive(() => {
          interruptions = 0;
        });
        if (this.isStopping) break;
        if (!isGivenBack) throw new Error('the consumer was closed');
        await this.hasRoom(Number.POSITIVE_INFINITY);
      } catch (error) {
        if (this.isStopping || this.options.connection.isClosed()) return;
        const retryInMs = retryDelayMs(++interruptions);
        this.options.onEvent?.({ type: 'interrupted', error, retryInMs });
        await this.restart.sleep(retryInMs);
      } finally {
        this.messages = null;
      }
    }
  }

  /** Pulls until stopped, or until stream, consumer or connection is gone. True = ended because it could not keep up. */
  private async receive(onStarted: () => void): Promise<boolean> {
    const { connection, stream, consumer: name, ensure } = this.options;
    await ensure();
    const consumer = await jetstream(connection).consumers.get(stream, name);
    const prefetchMax = Math.min(this.messagesMax, PREFETCH_MESSAGES_MAX);
    const messages = await consumer.consume({
      max_messages: prefetchMax,
      threshold_messages: Math.ceil(prefetchMax / 2),
      expires: PULL_EXPIRES_MS,
      idle_heartbeat: PULL_IDLE_HEARTBEAT_MS,
      abort_on_missing_resource: true,
    });
    this.messages = messages;
    if (this.isStopping) void drainMessages(messages);
    onStarted();
    this.options.onEvent?.({ type: 'started' });
    let isGivingBack = false;
    for await (const message of messages) {
      if (!isGivingBack && !(await this.hasRoom(this.unreadMsMax))) {
        isGivingBack = true;
        void drainMessages(messages);
      }
      if (isGivingBack || this.isStopping) message.nak();
      else this.gather(message);
    }
    return isGivingBack;
  }

  private gather(message: JsMsg): void {
    this.gathering.push(message);
    this.gatheringBytes += message.data.length;
    if (this.gathering.length === 1 || this.isGathered) this.arrived.wake();
  }

  /** True as soon as what was gathered has been taken, or when stopped; false when it was not for `waitMsMax`. */
  private async hasRoom(waitMsMax: number): Promise<boolean> {
    const untilMs = performance.now() + waitMsMax;
    while (this.isGathered && !this.isStopping) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return false;
      await this.taken.sleep(Math.min(leftMs, PULL_EXPIRES_MS));
    }
    return true;
  }

  private get isGathered(): boolean {
    return this.gathering.length >= this.messagesMax || this.gatheringBytes >= BATCH_BYTES_MAX;
  }

  private async handleForever(): Promise<void> {
    const inProgress = setInterval(() => {
      for (const message of [...this.handling, ...this.gathering]) message.working();
    }, IN_PROGRESS_INTERVAL_MS);
    try {
      while (!this.isStopping) {
        if (this.gathering.length === 0) await this.arrived.sleep(PULL_EXPIRES_MS);
        if (this.gathering.length === 0) continue;
        if (!this.isGathered) await this.arrived.sleep(Math.max(this.lingerMs, lingerMsAfter(this.handledLastBytes)));
        if (!this.isStopping) await this.handleBatch();
      }
      for (const message of this.gathering) message.nak();
      this.gathering = [];
    } finally {
      clearInterval(inProgress);
    }
  }

  private async handleBatch(): Promise<void> {
    this.handling = this.gathering;
    this.gathering = [];
    this.handledLastBytes = this.gatheringBytes;
    this.gatheringBytes = 0;
    this.taken.wake();
    try {
      await this.options.handler(this.handling.map(toBatchMessage));
      for (const message of this.handling) message.ack();
      this.failuresInRow = 0;
      this.options.onAcknowledged?.();
    } catch (error) {
      // Whoever takes over need not wait for what this process has met.
      const retryInMs = this.isStopping ? 0 : retryDelayMs(++this.failuresInRow);
      for (const message of this.handling) message.nak(retryInMs);
      this.options.onEvent?.({ type: 'handler_failed', error, messages: this.handling.length, retryInMs });
      // The rest of the stream would most likely fail the same way: a database that is down fails every batch.
      this.handling = [];
      if (!this.isStopping) await this.retry.sleep(retryInMs);
    } finally {
      this.handling = [];
    }
  }
}

export function startBatchConsumer(options: BatchConsumerOptions): BatchConsumer {
  return new BatchConsumer(options);
}

/**
 * Ends the pulling and hands out what is on its way, so that it can be given back. The library's own `stop` drops it, and the
 * server then waits for METERING_ACK_WAIT_MS; it drains the subscription of a consumer only along with the whole connection.
 */
async function drainMessages(messages: ConsumerMessages): Promise<void> {
  const { sub } = messages as ConsumerMessages & { sub?: Subscription };
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, STOP_DRAIN_MS_MAX);
  });
  if (sub !== undefined) await Promise.race([sub.drain().catch(() => {}), limit]);
  clearTimeout(timer);
  messages.stop();
}

function lingerMsAfter(bytes: number): number {
  if (bytes >= VERY_BUSY_BATCH_BYTES) return VERY_BUSY_LINGER_MS;
  return bytes >= BUSY_BATCH_BYTES ? BUSY_LINGER_MS : 0;
}

/** 100, 200, 400 … 10,000 ms. `attempt` counts from 1. */
export function retryDelayMs(attempt: number): number {
  return Math.min(RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_MIN * 2 ** Math.min(attempt - 1, RETRY_DOUBLINGS_MAX));
}

function toBatchMessage(message: JsMsg): BatchMessage {
  return {
    subject: message.subject,
    data: message.data,
    // Parsed only for who asks: the booking itself does not.
    get headers() {
      return message.headers;
    },
    sequence: message.seq,
    deliveryCount: message.info.deliveryCount,
    storedAtMs: Number(message.timestampNanos / NANOSECONDS_PER_MS),
  };
}
