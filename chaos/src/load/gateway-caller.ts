import { Pool } from 'undici';
import type { GatewayName } from '../topology/parts.js';
import { type CallShape, shapeBody } from './call-shape.js';
import type { ClientRecord, Ending } from './client-record.js';
import type { LoadKey } from './tenants.js';

/** A client's patience. Longer than any answer here takes, shorter than a process that stands still for ever. */
const CALL_MS_MAX = 20_000;
const DONE = 'data: [DONE]';
const TAIL_BYTES = 64;
const REFUSAL_BYTES_MAX = 4_096;

export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Calls one gateway over kept-alive connections and writes down what came back. */
export class GatewayCaller {
  private readonly pool: Pool;

  constructor(
    private readonly gateway: GatewayName,
    url: string,
    connections: number,
  ) {
    this.pool = new Pool(url, { connections, pipelining: 1, headersTimeout: CALL_MS_MAX, bodyTimeout: CALL_MS_MAX });
  }

  async call(index: number, shape: CallShape, key: LoadKey): Promise<ClientRecord> {
    const record: ClientRecord = {
      index,
      gateway: this.gateway,
      keyId: key.id,
      accountId: key.accountId,
      model: shape.model,
      stream: shape.stream,
      fault: shape.fault,
      sentAtMs: nowMs(),
      headAtMs: null,
      endedAtMs: 0,
      requestId: null,
      status: null,
      bytes: 0,
      ending: 'unreachable',
      code: null,
      costUsd: null,
    };
    const leaving = new AbortController();
    const timer = shape.leavesAfterMs === null ? null : setTimeout(() => leaving.abort(), shape.leavesAfterMs);
    try {
      record.ending = await this.exchange(record, { shape, key, leaving: leaving.signal });
    } catch {
      record.ending = leaving.signal.aborted ? 'left' : record.status === null ? 'unreachable' : 'broken';
    } finally {
      if (timer !== null) clearTimeout(timer);
    }
    record.endedAtMs = nowMs();
    return record;
  }

  close(): Promise<void> {
    return this.pool.destroy();
  }

  private async exchange(
    record: ClientRecord,
    { shape, key, leaving }: { shape: CallShape; key: LoadKey; leaving: AbortSignal },
  ): Promise<Ending> {
    const response = await this.pool.request({
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { authorization: `Bearer ${key.text}`, 'content-type': 'application/json' },
      body: shapeBody(shape),
      signal: AbortSignal.any([leaving, AbortSignal.timeout(CALL_MS_MAX)]),
    });
    record.headAtMs = nowMs();
    record.status = response.statusCode;
    record.requestId = headerOf(response.headers['x-request-id']);
    record.costUsd = headerOf(response.headers['x-tensorloop-cost-usd']);
    let tail = '';
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      record.bytes += chunk.length;
      tail = (tail + chunk.toString('latin1')).slice(response.statusCode === 200 ? -TAIL_BYTES : -REFUSAL_BYTES_MAX);
    }
    if (response.statusCode !== 200) {
      record.code = codeOf(tail);
      return 'refused';
    }
    return !shape.stream || tail.includes(DONE) ? 'complete' : 'failed';
  }
}

function headerOf(value: string | string[] | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function codeOf(body: string): string | null {
  try {
    return (JSON.parse(body) as { error?: { code?: string | null } }).error?.code ?? null;
  } catch {
    return null;
  }
}
