import { createInbox, headers, type Msg, type MsgHdrs, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { KeptShape } from '@tensorloop/kernel/kept-shape';
import { SlotMap } from '@tensorloop/kernel/slot-map';
import { TRACEPARENT_HEADER } from './trace-context.js';

export const PUBLISH_TIMEOUT_MS = 5_000;
export const PUBLISH_IN_FLIGHT_MAX = 10_000;
/**
 * Messages gather for this long and leave in one write. Nobody waits for a publish (the caller's journal has the message),
 * and the system call for each would cost more than all the rest of it.
 */
export const GATHER_MS = 4;
/** Deadlines are swept together: one timer for all publishes instead of one each. */
const SWEEP_INTERVAL_MS = 250;

const MESSAGE_ID_HEADER = 'Nats-Msg-Id';
const NO_RESPONDERS_STATUS = 503;

export type PublishErrorCode = 'timeout' | 'disconnected' | 'in_flight_full' | 'no_responders' | 'refused' | 'closed';

/**
 * The message may or may not be in the stream. Only a publish that was acknowledged is; the caller keeps the message and
 * publishes it again under the same id.
 */
export class PublishError extends Error {
  override readonly name = 'PublishError';
  constructor(
    readonly code: PublishErrorCode,
    detail: string,
  ) {
    super(`publish not acknowledged (${code}): ${detail}`);
  }
}

export interface PublishAck {
  stream: string;
  sequence: number;
  /** The server had this message id already, within its duplicate window. */
  isDuplicate: boolean;
}

export interface OutgoingMessage {
  subject: string;
  data: Uint8Array;
  /** Becomes Nats-Msg-Id. */
  messageId: string;
  traceparent?: string | undefined;
}

export interface PublisherOptions {
  connection: NatsConnection;
  timeoutMs?: number;
  inFlightMax?: number;
}

interface Waiting {
  resolve(ack: PublishAck): void;
  reject(error: PublishError): void;
  deadlineMs: number;
}

/**
 * JetStream publisher for a hot path: one reply subscription, one timer and one map for all publishes, where the library's
 * own `publish` costs a timer, a race of promises and option copies each.
 *
 * A publish during an outage rejects, never waits for the reconnect: the client library would drop or late-send it, and
 * the caller's journal is the only thing that can retry.
 */
export class JetStreamPublisher {
  private readonly connection: NatsConnection;
  private readonly timeoutMs: number;
  private readonly inFlightMax: number;
  private readonly replyPrefix: string;
  private readonly replies: Subscription;
  private readonly waiting = new SlotMap<Waiting>();
  private readonly headersShape = new KeptShape<MsgHdrs>();
  private readonly sweepTimer: NodeJS.Timeout;
  private outbox: { token: string; message: OutgoingMessage }[] = [];
  private flushTimer: NodeJS.Timeout | null = null;
  private lastToken = 0;
  private isUp = true;
  private isClosed = false;

  constructor(options: PublisherOptions) {
    this.connection = options.connection;
    this.timeoutMs = options.timeoutMs ?? PUBLISH_TIMEOUT_MS;
    this.inFlightMax = options.inFlightMax ?? PUBLISH_IN_FLIGHT_MAX;
    this.replyPrefix = `${createInbox()}.`;
    this.replies = this.connection.subscribe(`${this.replyPrefix}*`, { callback: (error, msg) => this.onReply(error, msg) });
    this.sweepTimer = setInterval(() => this.sweep(), SWEEP_INTERVAL_MS);
    this.sweepTimer.unref();
    void this.followStatus();
  }

  /** Publishes awaiting their acknowledgement. */
  get inFlight(): number {
    return this.waiting.size;
  }

  /** Resolves once the stream has stored the message; rejects with PublishError otherwise. Never throws. */
  publish(subject: string, data: Uint8Array, messageId: string): Promise<PublishAck> {
    return this.publishMessage({ subject, data, messageId });
  }

  /** Like `publish`, and carries a W3C traceparent to the consumer. */
  publishMessage(message: OutgoingMessage): Promise<PublishAck> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) return reject(new PublishError('closed', 'the publisher was closed'));
      if (!this.isUp) return reject(new PublishError('disconnected', 'no connection to NATS'));
      if (this.waiting.size >= this.inFlightMax) {
        return reject(new PublishError('in_flight_full', `${this.inFlightMax} publishes are waiting`));
      }
      const token = (++this.lastToken).toString(36);
      this.waiting.set(token, { resolve, reject, deadlineMs: performance.now() + this.timeoutMs });
      this.outbox.push({ token, message });
      this.flushTimer ??= setTimeout(() => this.flush(), GATHER_MS);
    });
  }

  /** Rejects what is in flight and stops. The connection stays open. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.sweepTimer);
    if (this.flushTimer !== null) clearTimeout(this.flushTimer);
    if (!this.connection.isClosed()) this.replies.unsubscribe();
    this.rejectAll('closed', 'the publisher was closed');
  }

  private flush(): void {
    this.flushTimer = null;
    const gathered = this.outbox;
    this.outbox = [];
    for (const { token, message } of gathered) this.send(token, message);
  }

  private send(token: string, message: OutgoingMessage): void {
    const waiting = this.waiting.get(token);
    // Rejected meanwhile: the caller publishes it again, and one copy is enough.
    if (waiting === undefined) return;
    const messageHeaders = this.headersShape.keep(headers());
    messageHeaders.append(MESSAGE_ID_HEADER, message.messageId);
    if (message.traceparent !== undefined) messageHeaders.append(TRACEPARENT_HEADER, message.traceparent);
    try {
      this.connection.publish(message.subject, message.data, { reply: this.replyPrefix + token, headers: messageHeaders });
    } catch (error) {
      this.waiting.delete(token);
      waiting.reject(new PublishError(this.connection.isClosed() ? 'closed' : 'refused', textOf(error)));
    }
  }

  private onReply(error: Error | null, msg: Msg): void {
    if (error !== null) return this.rejectAll('disconnected', error.message);
    const token = msg.subject.slice(this.replyPrefix.length);
    const waiting = this.waiting.get(token);
    if (waiting === undefined) return;
    this.waiting.delete(token);
    if (msg.data.length === 0 && msg.headers?.code === NO_RESPONDERS_STATUS) {
      waiting.reject(new PublishError('no_responders', 'no stream takes this subject'));
      return;
    }
    try {
      const reply = msg.json<{ stream?: string; seq?: number; duplicate?: boolean; error?: { description?: string } }>();
      if (reply.error !== undefined || reply.stream === undefined || reply.seq === undefined) {
        waiting.reject(new PublishError('refused', reply.error?.description ?? 'not a publish acknowledgement'));
      } else {
        waiting.resolve({ stream: reply.stream, sequence: reply.seq, isDuplicate: reply.duplicate === true });
      }
    } catch (parseError) {
      waiting.reject(new PublishError('refused', textOf(parseError)));
    }
  }

  /** The map keeps insertion order and the timeout is the same for all, so the oldest come first. */
  private sweep(): void {
    const nowMs = performance.now();
    for (const [token, waiting] of this.waiting) {
      if (waiting.deadlineMs > nowMs) return;
      this.waiting.delete(token);
      waiting.reject(new PublishError('timeout', `no acknowledgement within ${this.timeoutMs} ms`));
    }
  }

  private async followStatus(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection' || status.type === 'reconnecting') {
        this.isUp = false;
        this.rejectAll('disconnected', 'the connection to NATS was lost');
      } else if (status.type === 'reconnect') {
        this.isUp = true;
      }
    }
    this.isUp = false;
    this.rejectAll('closed', 'the connection to NATS was closed');
  }

  private rejectAll(code: PublishErrorCode, detail: string): void {
    const abandoned = [...this.waiting.values()];
    this.waiting.clear();
    for (const waiting of abandoned) waiting.reject(new PublishError(code, detail));
  }
}

export function createPublisher(options: PublisherOptions): JetStreamPublisher {
  return new JetStreamPublisher(options);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
