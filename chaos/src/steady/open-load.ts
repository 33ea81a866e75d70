import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import type { LoadKey } from '../load/tenants.js';

/** A client that got no answer by then has given up. */
const CALL_MS_MAX = 15_000;
const TICK_MS = 5;
const DRAIN_POLL_MS = 50;
const CONNECTIONS_PER_GATEWAY = 2_048;
/** Calls that this process keeps open at most; what it could not even send counts as failed. */
const IN_FLIGHT_MAX = 3_500;
const PROMPT = 'What was served must be in the books exactly once. '.repeat(12);

export interface CallResult {
  /** Monotonic; the instant at which it was due, whose stretch of time it belongs to however late it ended. */
  dueAtMs: number;
  /** From the instant at which it was due: a client that waits for a connection waits too. */
  latencyMs: number;
  /** How late this process itself was in sending it: it shares the machine with what it measures. */
  lateMs: number;
  status: number | null;
  hasRetryAfter: boolean;
}

export interface OpenLoadOptions {
  urls: readonly string[];
  keys: readonly LoadKey[];
}

/** So many calls a second, whether or not earlier ones were answered: a load that does not wait for the loaded. */
export class OpenLoad {
  results: CallResult[] = [];
  private readonly pools: Pool[];
  private readonly bodies: string[];
  private timer: NodeJS.Timeout | null = null;
  private inFlight = 0;
  private sent = 0;

  constructor(private readonly options: OpenLoadOptions) {
    this.pools = options.urls.map(
      (url) => new Pool(url, { connections: CONNECTIONS_PER_GATEWAY, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 }),
    );
    this.bodies = [false, true].map((stream) =>
      JSON.stringify({
        model: 'gpt-4o-mini',
        messages: [{ role: 'user', content: PROMPT }],
        max_completion_tokens: 64,
        ...(stream ? { stream: true } : {}),
        x_sim: { completionTokens: 40, latencyMs: 20, ...(stream ? { tokensPerChunk: 10, chunkMs: 5 } : {}) },
      }),
    );
  }

  get waiting(): number {
    return this.inFlight;
  }

  /** Goes on until told another rate; 0 = pause. */
  setRate(perSecond: number): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    if (perSecond === 0) return;
    const beganAtMs = performance.now();
    let due = 0;
    this.timer = setInterval(() => {
      const wanted = Math.floor(((performance.now() - beganAtMs) / 1_000) * perSecond);
      for (; due < wanted; due++) void this.call(beganAtMs + (due / perSecond) * 1_000);
    }, TICK_MS);
  }

  /** What came back since the last time, with the results emptied. */
  take(): CallResult[] {
    const { results } = this;
    this.results = [];
    return results;
  }

  /** Sends nothing more, and waits for what was sent: each call ends by its own limit of time. */
  async drain(): Promise<void> {
    this.setRate(0);
    while (this.inFlight > 0) await delay(DRAIN_POLL_MS);
  }

  async stop(): Promise<void> {
    this.setRate(0);
    await Promise.all(this.pools.map((pool) => pool.destroy()));
  }

  private async call(dueAtMs: number): Promise<void> {
    const index = this.sent++;
    const lateMs = performance.now() - dueAtMs;
    const note = (status: number | null, hasRetryAfter: boolean) =>
      this.results.push({ dueAtMs, latencyMs: performance.now() - dueAtMs, lateMs, status, hasRetryAfter });
    if (this.inFlight >= IN_FLIGHT_MAX) {
      note(null, false);
      return;
    }
    this.inFlight++;
    const key = this.options.keys[index % this.options.keys.length] as LoadKey;
    try {
      const response = await (this.pools[index % this.pools.length] as Pool).request({
        method: 'POST',
        path: '/v1/chat/completions',
        headers: { authorization: `Bearer ${key.text}`, 'content-type': 'application/json' },
        body: this.bodies[(index >> 1) % this.bodies.length] as string,
        signal: AbortSignal.timeout(CALL_MS_MAX),
      });
      await response.body.dump({ limit: Number.MAX_SAFE_INTEGER });
      note(response.statusCode, response.headers['retry-after'] !== undefined);
    } catch {
      note(null, false);
    } finally {
      this.inFlight--;
    }
  }
}
