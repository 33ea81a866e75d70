import type { NatsConnection } from '@nats-io/transport-node';
import { type RequestCompleted, requestCompletedSchema } from '@tensorloop/contracts/request-completed';
import { REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { jetstreamManager } from '@tensorloop/messaging/streams';
import { waitUntil } from '@tensorloop/testing/wait-until';

/** What gateways have said of their calls, as it stands in the stream. */
export class RequestEvents {
  private readonly events = new Map<string, RequestCompleted>();
  private eventsRead = 0;

  constructor(private readonly connection: NatsConnection) {}

  /** The event of a call, once it stands in the stream. A call published twice must have said the same both times. */
  eventOf(requestId: string | null): Promise<RequestCompleted> {
    const find = async () => {
      await this.collect();
      return this.events.get(requestId ?? '');
    };
    return waitUntil(find, { what: `the event of ${requestId}` }) as Promise<RequestCompleted>;
  }

  /** Reads what has been added to the stream of requests since the last time. */
  private async collect(): Promise<void> {
    const { streams } = await jetstreamManager(this.connection);
    for (;;) {
      const message = await streams.getMessage(REQUESTS_STREAM, { seq: this.eventsRead + 1 }).catch(() => null);
      if (message === null) return;
      this.eventsRead += 1;
      const event = requestCompletedSchema.parse(message.json());
      const copy = this.events.get(event.requestId);
      if (copy !== undefined && JSON.stringify(copy) !== JSON.stringify(event))
        throw new Error(`${event.requestId} has two different events`);
      this.events.set(event.requestId, event);
    }
  }
}
