import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { type AccountChanged, accountChangedSchema, type ChangeKind } from '@tensorloop/contracts/account-changed';
import { accountChangedSubject } from '@tensorloop/contracts/subjects';
import { NatsLink } from '@tensorloop/messaging/connection';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { AccountChannel } from './account-channel.js';
import type { LiveListener } from './events.types.js';

/** Streams of one account, and of all, in this process. */
export const STREAMS_PER_ACCOUNT_MAX = 20;
export const STREAMS_MAX = 1_000;
/** An account that nobody listens to is listened to for so long, for whoever's connection was cut. */
export const LINGER_MS = 60_000;

interface OpenChannel {
  channel: AccountChannel;
  subscription: Subscription;
  linger: NodeJS.Timeout | null;
}

export type Joined = { leave: () => void } | { refusal: 'too_many_streams' | 'streams_unavailable' };

/**
 * Changes of accounts, from every replica to every listener: they go through NATS even where both are in this process, so that
 * there is one order and one way. Other features say what they changed by `publish`.
 */
@Injectable()
export class LiveEvents implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly channels = new Map<string, OpenChannel>();
  private streams = 0;

  constructor(
    @Inject(NatsLink) private readonly link: NatsLink,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    // Rejects only when the link is closed before it ever connected.
    this.link.ready.then((connection) => this.followOutages(connection)).catch(() => undefined);
  }

  onModuleDestroy(): void {
    for (const accountId of [...this.channels.keys()]) this.close(accountId);
  }

  /** After COMMIT. Never throws and waits for nothing: without NATS nobody is told, and screens are as old as they are. */
  publish(accountId: string, ...kinds: [ChangeKind, ...ChangeKind[]]): void {
    if (!this.link.isConnected) return;
    const message: AccountChanged = { v: 1, kinds };
    this.link.current?.publish(accountChangedSubject(accountId), JSON.stringify(message));
  }

  /** `listener` hears of every change from now on, and of those since `lastEventId` or that they are lost. */
  async join(accountId: string, listener: LiveListener, lastEventId: string | null): Promise<Joined> {
    if (this.streams >= STREAMS_MAX) return { refusal: 'too_many_streams' };
    if ((this.channels.get(accountId)?.channel.listenerCount ?? 0) >= STREAMS_PER_ACCOUNT_MAX) {
      return { refusal: 'too_many_streams' };
    }
    const connection = this.link.isConnected ? this.link.current : null;
    if (connection === null) return { refusal: 'streams_unavailable' };
    this.streams += 1;
    const open = this.channels.get(accountId) ?? this.open(connection, accountId);
    if (open.linger !== null) clearTimeout(open.linger);
    open.linger = null;
    const leave = open.channel.join(listener, lastEventId);
    // What is changed once the stream stands is heard of: the server knows of the subscription before the answer begins.
    await connection.flush().catch(() => undefined);
    let isOver = false;
    return {
      leave: () => {
        if (isOver) return;
        isOver = true;
        this.streams -= 1;
        leave();
        if (open.channel.listenerCount === 0) open.linger = setTimeout(() => this.close(accountId), LINGER_MS).unref();
      },
    };
  }

  private open(connection: NatsConnection, accountId: string): OpenChannel {
    const channel = new AccountChannel();
    const subscription = connection.subscribe(accountChangedSubject(accountId), {
      callback: (error, msg) => {
        const parsed = error === null ? accountChangedSchema.safeParse(safeJson(() => msg.json())) : null;
        if (parsed?.success === true) channel.changed(parsed.data.kinds);
        else this.logger.warn({ err: error ?? parsed?.error }, 'a change of an account could not be read');
      },
    });
    const open = { channel, subscription, linger: null };
    this.channels.set(accountId, open);
    return open;
  }

  private close(accountId: string): void {
    const open = this.channels.get(accountId);
    if (open === undefined) return;
    this.channels.delete(accountId);
    if (open.linger !== null) clearTimeout(open.linger);
    if (!open.subscription.isClosed()) open.subscription.unsubscribe();
  }

  /** Core NATS keeps nothing for who was away. */
  private async followOutages(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'reconnect') for (const { channel } of this.channels.values()) channel.reset();
    }
  }
}

function safeJson(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return undefined;
  }
}
