import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import {
  type ReassertReply,
  type ReassertRequest,
  reassertReplySchema,
  reassertRequestSchema,
} from '@tensorloop/contracts/gateway-registry';
import { type GatewaySettled, gatewaySettledSchema } from '@tensorloop/contracts/settle-ack';
import { GATEWAY_REASSERT, gatewaySettledSubject } from '@tensorloop/contracts/subjects';
import type { z } from 'zod';

/** Told of a message that does not fit its contract (dropped: no redelivery would cure it) and of a handler that failed. */
export type OnProblem = (error: unknown, subject: string) => void;

/**
 * Sends settle-acks to the gateway that owns the calls. Only after COMMIT. Nothing is awaited: a lost one is repeated when
 * the gateway publishes the call again.
 */
export function publishSettled(connection: NatsConnection, gatewayId: string, settled: GatewaySettled): void {
  connection.publish(gatewaySettledSubject(gatewayId), JSON.stringify(settled));
}

/** Receives one gateway's settle-acks; survives reconnects. `unsubscribe()` ends it. */
export function subscribeSettled(
  connection: NatsConnection,
  gatewayId: string,
  handlers: { onSettled: (settled: GatewaySettled) => void; onProblem: OnProblem },
): Subscription {
  return connection.subscribe(gatewaySettledSubject(gatewayId), {
    callback: (error, msg) => {
      const settled = error === null ? parseMessage(msg, gatewaySettledSchema, handlers.onProblem) : null;
      if (settled !== null) handlers.onSettled(settled);
    },
  });
}

export interface ReassertWait {
  /** Ends the wait early once this many different gateways have replied; 0 asks nobody and returns at once. */
  repliesMax: number;
  /** Ends the wait in any case. */
  timeoutMs: number;
}

/** Asks every live gateway to write its unacknowledged amounts of an account again. Resolves with one reply per gateway. */
export function requestReassert(
  connection: NatsConnection,
  request: ReassertRequest,
  wait: ReassertWait,
): Promise<ReassertReply[]> {
  if (wait.repliesMax <= 0) return Promise.resolve([]);
  return new Promise((resolve, reject) => {
    const replies = new Map<string, ReassertReply>();
    const inbox = createInbox();
    const finish = () => {
      clearTimeout(timer);
      if (!connection.isClosed()) subscription.unsubscribe();
      resolve([...replies.values()]);
    };
    const subscription = connection.subscribe(inbox, {
      callback: (error, msg) => {
        // An empty 503 means that no gateway listens at all.
        if (error !== null || msg.data.length === 0) return finish();
        const reply = parseMessage(msg, reassertReplySchema, () => {});
        if (reply !== null) replies.set(reply.gatewayId, reply);
        if (replies.size >= wait.repliesMax) finish();
      },
    });
    const timer = setTimeout(finish, wait.timeoutMs);
    try {
      connection.publish(GATEWAY_REASSERT, JSON.stringify(request), { reply: inbox });
    } catch (error) {
      clearTimeout(timer);
      reject(error);
    }
  });
}

/** Answers reassert requests on a gateway. A handler that rejects sends no reply: the asker must not count this gateway. */
export function serveReassert(
  connection: NatsConnection,
  handlers: { onRequest: (request: ReassertRequest) => Promise<ReassertReply>; onProblem: OnProblem },
): Subscription {
  return connection.subscribe(GATEWAY_REASSERT, {
    callback: (error, msg) => {
      const request = error === null ? parseMessage(msg, reassertRequestSchema, handlers.onProblem) : null;
      if (request === null) return;
      handlers
        .onRequest(request)
        .then((reply) => msg.respond(JSON.stringify(reply)))
        .catch((failure: unknown) => handlers.onProblem(failure, msg.subject));
    },
  });
}

function parseMessage<Schema extends z.ZodType>(msg: Msg, schema: Schema, onProblem: OnProblem): z.output<Schema> | null {
  try {
    return schema.parse(msg.json());
  } catch (error) {
    onProblem(error, msg.subject);
    return null;
  }
}
