import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
import type { AnswerHandler, ProviderAddress, UpstreamFailure, UpstreamFlow, UpstreamRequest } from './upstream.types.js';

/** Sockets to one provider host; calls above it wait for a free one. */
export const CONNECTIONS_MAX = 1_024;
export const CONNECT_TIMEOUT_MS = 5_000;
/**
 * A socket that carries no call is closed after this time; a provider that says how long it keeps one itself is believed up to
 * the second. What a peak opened is gone that long after it: the pool hands out its oldest free socket first.
 */
export const IDLE_MS = 4_000;
export const IDLE_MS_MAX = 60_000;

const FAILURES: Record<string, UpstreamFailure> = {
  ECONNREFUSED: 'connect_refused',
  ENOTFOUND: 'connect_refused',
  EAI_AGAIN: 'connect_refused',
  EHOSTUNREACH: 'connect_refused',
  ENETUNREACH: 'connect_refused',
  UND_ERR_CONNECT_TIMEOUT: 'connect_timeout',
  UND_ERR_HEADERS_TIMEOUT: 'head_timeout',
  UND_ERR_BODY_TIMEOUT: 'idle_timeout',
  UND_ERR_ABORTED: 'aborted',
};

const ABORT_REASON = Object.assign(new Error('given up by the gateway'), { code: 'UND_ERR_ABORTED' });

/**
 * HTTP to providers over undici's `dispatch`: the only file that knows undici. One pool per origin; HTTP/1.1 without
 * pipelining, because one slow stream must not hold up the next.
 */
export class HttpTransport {
  private readonly pools = new Map<string, Pool>();

  /** The times are for tests alone. */
  constructor(private readonly idle = { ms: IDLE_MS, maxMs: IDLE_MS_MAX }) {}

  send(request: UpstreamRequest, address: ProviderAddress, handler: AnswerHandler): void {
    const { deployment, requestId, body } = request;
    const headers = {
      'content-type': 'application/json',
      'accept-encoding': 'identity',
      'x-request-id': requestId,
      ...request.headers,
      ...address.headers,
    };
    this.poolOf(address.origin).dispatch(
      {
        method: 'POST',
        path: address.path,
        headers,
        body,
        headersTimeout: deployment.headTimeoutMs,
        bodyTimeout: deployment.idleTimeoutMs,
      },
      new AnswerAdapter(handler),
    );
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.pools.values()].map((pool) => pool.destroy()));
    this.pools.clear();
  }

  private poolOf(origin: string): Pool {
    let pool = this.pools.get(origin);
    if (pool === undefined) {
      pool = new Pool(origin, {
        connections: CONNECTIONS_MAX,
        pipelining: 1,
        allowH2: false,
        connect: { timeout: CONNECT_TIMEOUT_MS },
        keepAliveTimeout: this.idle.ms,
        keepAliveMaxTimeout: this.idle.maxMs,
      });
      this.pools.set(origin, pool);
    }
    return pool;
  }
}

class AnswerAdapter implements Dispatcher.DispatchHandler, UpstreamFlow {
  private controller: Dispatcher.DispatchController | null = null;
  private isHeadIn = false;

  constructor(private readonly handler: AnswerHandler) {}

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    this.handler.onStart(this);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // 1xx heads announce the real one.
    if (status < 200) return;
    this.isHeadIn = true;
    this.handler.onHead(status, headers);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.handler.onData(chunk);
  }

  onResponseEnd(): void {
    // It leads to the request, which is not kept with what remains of the answer.
    this.controller = null;
    this.handler.onEnd();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error & { code?: string }): void {
    this.controller = null;
    this.handler.onFailure(FAILURES[error.code ?? ''] ?? (this.isHeadIn ? 'cut' : 'protocol'));
  }

  pause(): void {
    this.controller?.pause();
  }

  resume(): void {
    this.controller?.resume();
  }

  abort(): void {
    this.controller?.abort(ABORT_REASON);
  }
}
