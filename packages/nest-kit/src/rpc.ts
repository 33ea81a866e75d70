import { headers } from '@nats-io/transport-node';
import { ClientNats, type MicroserviceOptions, NatsRecordBuilder, Transport } from '@nestjs/microservices';
import { EmptyResponseException } from '@nestjs/microservices/errors/empty-response.exception.js';
import type { RpcFailure } from '@tensorloop/contracts/rpc';
import { connectionOptions } from '@tensorloop/messaging/connection';
import { withTraceparent } from '@tensorloop/messaging/trace-context';
import { firstValueFrom, TimeoutError, timeout } from 'rxjs';
import type { z } from 'zod';

export const RPC_TIMEOUT_MS = 2_000;
/** Calls in progress may finish for this long after the service stopped taking new ones. */
export const RPC_GRACE_MS = 1_000;

/** Both sides of one call, from the contracts: `defineRpc(RPC.meteringTotalsGet, totalsGetRequestSchema, totalsGetReplySchema)`. */
export interface RpcContract<Request, Reply> {
  pattern: string;
  request: z.ZodType<Request>;
  reply: z.ZodType<Reply>;
}

export function defineRpc<Request, Reply>(
  pattern: string,
  request: z.ZodType<Request>,
  reply: z.ZodType<Reply>,
): RpcContract<Request, Reply> {
  return { pattern, request, reply };
}

/** Failures of the transport; they come as values beside the callee's own codes. */
export const RPC_FAILURES = {
  rpc_timeout: 'no answer in time',
  rpc_unreachable: 'nobody answers',
  rpc_invalid_reply: 'the answer does not fit its contract',
} as const;

export interface RpcCallOptions {
  timeoutMs?: number;
  traceparent?: string | undefined;
}

/** Calls other services over Nest's NATS transport. Never throws for what can happen in operation: switch on `code`. */
export class RpcClient {
  private readonly client: ClientNats;
  private readonly timeoutMs: number;

  /** `timeoutMs`: of calls that name none of their own. */
  constructor({ timeoutMs = RPC_TIMEOUT_MS, ...options }: { url: string; name: string; timeoutMs?: number }) {
    this.client = new ClientNats(natsOptions(options));
    this.timeoutMs = timeoutMs;
  }

  /** The callee's answer, or `{ ok: false, code, message }`. Throws only when `payload` breaks its own contract. */
  async call<Request, Reply>(
    contract: RpcContract<Request, Reply>,
    payload: NoInfer<Request>,
    options: RpcCallOptions = {},
  ): Promise<Reply | RpcFailure> {
    const record = new NatsRecordBuilder(contract.request.parse(payload));
    if (options.traceparent !== undefined) record.setHeaders(withTraceparent(options.traceparent, headers()));
    let answer: unknown;
    try {
      answer = await firstValueFrom(
        this.client.send(contract.pattern, record.build()).pipe(timeout(options.timeoutMs ?? this.timeoutMs)),
      );
    } catch (error) {
      return transportFailure(error);
    }
    const reply = contract.reply.safeParse(answer);
    return reply.success ? reply.data : failure('rpc_invalid_reply');
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}

/** Options for `app.connectMicroservice` or `NestFactory.createMicroservice`: replicas of one service share its calls. */
export function rpcServerOptions(options: { url: string; name: string }): MicroserviceOptions {
  return {
    transport: Transport.NATS,
    options: {
      ...natsOptions(options),
      queue: options.name,
      gracefulShutdown: true,
      gracePeriod: RPC_GRACE_MS,
      waitOnFirstConnect: true,
    },
  };
}

function natsOptions(options: { url: string; name: string }): { servers: string[] } & Record<string, unknown> {
  const { servers, ...rest } = connectionOptions(options.url, `${options.name} rpc`);
  return { ...rest, servers: [servers ?? []].flat() };
}

function transportFailure(error: unknown): RpcFailure {
  if (error instanceof TimeoutError) return failure('rpc_timeout');
  if (error instanceof EmptyResponseException) return failure('rpc_unreachable');
  // What a Nest service answers when a handler threw past its responder: an object, not an Error.
  if (typeof error === 'object' && error !== null && 'status' in error && error.status === 'error') {
    return { ok: false, code: 'internal_error', message: 'the other service failed' };
  }
  return failure('rpc_unreachable');
}

function failure(code: keyof typeof RPC_FAILURES): RpcFailure {
  return { ok: false, code, message: RPC_FAILURES[code] };
}
