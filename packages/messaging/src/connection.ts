import { type ConnectionOptions, connect, type NatsConnection } from '@nats-io/transport-node';

/** Wait between two attempts to connect, spread at random so that a whole fleet does not return in one instant. */
export const RECONNECT_WAIT_MS_MIN = 250;
export const RECONNECT_WAIT_MS_MAX = 1_000;
/** A dead peer is noticed after two unanswered pings. */
export const PING_INTERVAL_MS = 15_000;
export const PINGS_UNANSWERED_MAX = 2;
export const CONNECT_TIMEOUT_MS = 5_000;

export type ConnectionEvent = 'connected' | 'disconnected' | 'reconnected' | 'error' | 'slow_consumer' | 'closed';

export interface ConnectOptions {
  /** "nats://host:4222", several separated by commas. */
  url: string;
  /** Shown in the server's connection list. */
  name: string;
  /** Told of every change of state, for logs. `detail` never holds a credential. */
  onStatus?: ((event: ConnectionEvent, detail: string) => void) | undefined;
}

/**
 * Options every connection of ours needs, Nest's own clients and servers included. The library gives up for good after
 * 10 attempts by default; a service must outlive any outage, hence -1.
 */
export function connectionOptions(url: string, name: string): ConnectionOptions {
  return {
    servers: url.split(',').map((server) => server.trim()),
    name,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: reconnectWaitMs,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: PINGS_UNANSWERED_MAX,
    timeout: CONNECT_TIMEOUT_MS,
    // The library gives up for good when it is turned away twice in a row; so would an installation whose passwords are being changed.
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
  };
}

function reconnectWaitMs(): number {
  return RECONNECT_WAIT_MS_MIN + Math.random() * (RECONNECT_WAIT_MS_MAX - RECONNECT_WAIT_MS_MIN);
}

/** Connects, waiting for a server as long as it takes; afterwards reconnects for ever. */
export async function connectNats(options: ConnectOptions): Promise<NatsConnection> {
  return openNatsLink(options).ready;
}

/**
 * A connection that may not exist yet: a gateway starts and serves known keys while NATS is down, so it cannot await one.
 */
export class NatsLink {
  /** Resolves at the first connection; never rejects, except with LinkClosedError after `close`. */
  readonly ready: Promise<NatsConnection>;
  private connection: NatsConnection | null = null;
  private isUp = false;
  private isClosing = false;
  private wake: () => void = () => {};

  constructor(private readonly options: ConnectOptions) {
    this.ready = this.dial();
    this.ready.catch(() => {});
  }

  /** The connection, once there was one. It may be reconnecting. */
  get current(): NatsConnection | null {
    return this.connection;
  }

  get isConnected(): boolean {
    return this.isUp;
  }

  /** Sends what is buffered and closes. Waits at most CONNECT_TIMEOUT_MS for the server. */
  async close(): Promise<void> {
    this.isClosing = true;
    this.wake();
    if (this.connection === null || this.connection.isClosed()) return;
    if (this.isUp && !this.connection.isDraining()) await withinMs(this.connection.drain(), CONNECT_TIMEOUT_MS);
    if (!this.connection.isClosed()) await this.connection.close();
  }

  private async dial(): Promise<NatsConnection> {
    for (;;) {
      if (this.isClosing) throw new LinkClosedError();
      try {
        const connection = await connect(connectionOptions(this.options.url, this.options.name));
        if (this.isClosing) {
          await connection.close();
          throw new LinkClosedError();
        }
        this.connection = connection;
        this.isUp = true;
        this.report('connected', connection.getServer());
        void this.follow(connection);
        return connection;
      } catch (error) {
        if (error instanceof LinkClosedError) throw error;
        this.report('error', error instanceof Error ? error.message : String(error));
        await this.pause(reconnectWaitMs());
      }
    }
  }

  private pause(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, durationMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') {
        if (this.isUp) this.report('disconnected', connection.getServer());
        this.isUp = false;
      } else if (status.type === 'reconnect') {
        this.isUp = true;
        this.report('reconnected', status.server);
      } else if (status.type === 'error') {
        this.report('error', status.error.message);
      } else if (status.type === 'slowConsumer') {
        this.report('slow_consumer', status.sub.getSubject());
      }
    }
    this.isUp = false;
    this.report('closed', '');
  }

  private report(event: ConnectionEvent, detail: string): void {
    this.options.onStatus?.(event, detail);
  }
}

export class LinkClosedError extends Error {
  readonly code = 'link_closed';
  constructor() {
    super('the NATS link was closed before it connected');
  }
}

/** Starts connecting and returns at once. */
export function openNatsLink(options: ConnectOptions): NatsLink {
  return new NatsLink(options);
}

async function withinMs(work: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  try {
    await Promise.race([work.catch(() => {}), limit]);
  } finally {
    clearTimeout(timer);
  }
}
