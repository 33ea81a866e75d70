import { setTimeout as delay } from 'node:timers/promises';
import type { LoadKey } from '../load/tenants.js';
import { type WireConnection, WirePool } from './wire-pool.js';

/** A client that got no answer by then has given up. */
const CALL_MS_MAX = 15_000;
const TICK_MS = 5;
const DRAIN_POLL_MS = 50;
const CONNECT_STEP = 50;
const CONNECT_STEP_MS = 50;
/** How often calls are looked at that took longer than they may. */
const SWEEP_MS = 500;
/** Calls open at one gateway at most; what could not even be sent counts as failed. */
const CONNECTIONS_PER_GATEWAY = 3_500;
/**
 * About 8 kB, as prompts with a few turns of conversation have: with short ones the load takes as much of the shared processor as
 * what it loads, and three times the saturation measures the generator.
 */
const PROMPT = 'What was served must be in the books exactly once. '.repeat(160);

export interface CallResult {
  /** Monotonic; the instant at which it was due, whose stretch of time it belongs to however late it ended. */
  dueAtMs: number;
  /** From the instant at which it was due: a client that waits for a connection waits too. */
  latencyMs: number;
  /** How late this process itself was in sending it: it shares the machine with what it measures. */
  lateMs: number;
  /** Null = no answer. */
  status: number | null;
  /** There was none because this process waited no longer, or had no connection left for it. */
  isGivenUp: boolean;
  hasRetryAfter: boolean;
}

export interface OpenLoadOptions {
  urls: readonly string[];
  keys: readonly LoadKey[];
}

interface OpenCall {
  connection: WireConnection;
  isGivenUp: boolean;
  sentAtMs: number;
}

/** So many calls a second, whether or not earlier ones were answered: a load that does not wait for the loaded. */
export class OpenLoad {
  results: CallResult[] = [];
  private readonly pools: WirePool[];
  private readonly requests: string[];
  private readonly open = new Set<OpenCall>();
  private readonly sweeper: NodeJS.Timeout;
  private timer: NodeJS.Timeout | null = null;
  private sent = 0;

  constructor({ urls, keys }: OpenLoadOptions) {
    this.pools = urls.map((url) => new WirePool(url, CONNECTIONS_PER_GATEWAY));
    this.requests = keys.flatMap((key) => [false, true].map((stream) => requestOf(key, stream)));
    this.sweeper = setInterval(() => this.giveUp(), SWEEP_MS);
  }

  get waiting(): number {
    return this.open.size;
  }

  /** Clients that are there before they call: so many connections to each gateway, opened a few at a time. */
  async connect(perGateway: number): Promise<void> {
    for (let count = CONNECT_STEP; count <= perGateway; count += CONNECT_STEP) {
      for (const pool of this.pools) pool.connect(count);
      await delay(CONNECT_STEP_MS);
    }
  }

  /** Once nothing is open: as if nobody had ever called. */
  disconnect(): void {
    for (const pool of this.pools) pool.close();
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
      for (; due < wanted; due++) this.call(beganAtMs + (due / perSecond) * 1_000);
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
    while (this.open.size > 0) await delay(DRAIN_POLL_MS);
  }

  async stop(): Promise<void> {
    this.setRate(0);
    clearInterval(this.sweeper);
    this.disconnect();
  }

  private call(dueAtMs: number): void {
    const index = this.sent++;
    const sentAtMs = performance.now();
    const lateMs = sentAtMs - dueAtMs;
    const note = (outcome: Pick<CallResult, 'status' | 'isGivenUp' | 'hasRetryAfter'>) =>
      this.results.push({ dueAtMs, latencyMs: performance.now() - dueAtMs, lateMs, ...outcome });
    const pool = this.pools[index % this.pools.length] as WirePool;
    // Gateways take turns call by call, and keys and kinds pair by pair: each key is used at each gateway, whole and streamed.
    const request = this.requests[(index >> 1) % this.requests.length] as string;
    let open: OpenCall | null = null;
    const connection = pool.send(request, ({ status, hasRetryAfter }) => {
      if (open !== null) this.open.delete(open);
      note({ status, isGivenUp: open?.isGivenUp ?? false, hasRetryAfter });
    });
    if (connection === null) {
      note({ status: null, isGivenUp: true, hasRetryAfter: false });
      return;
    }
    open = { connection, isGivenUp: false, sentAtMs };
    this.open.add(open);
  }

  private giveUp(): void {
    const beforeMs = performance.now() - CALL_MS_MAX;
    for (const open of this.open) {
      if (open.sentAtMs >= beforeMs) continue;
      open.isGivenUp = true;
      open.connection.close();
    }
  }
}

function requestOf(key: LoadKey, stream: boolean): string {
  const body = JSON.stringify({
    model: 'gpt-4o-mini',
    messages: [{ role: 'user', content: PROMPT }],
    max_completion_tokens: 64,
    ...(stream ? { stream: true } : {}),
    x_sim: { completionTokens: 40, latencyMs: 20, ...(stream ? { tokensPerChunk: 10, chunkMs: 5 } : {}) },
  });
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    'host: gateway',
    `authorization: Bearer ${key.text}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}
