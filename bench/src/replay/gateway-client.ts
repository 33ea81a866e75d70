import { Pool } from 'undici';
import { type CallPlan, callBody } from './call-plan.js';
import { type Answer, checkAnswer } from './check-answer.js';

/** No answer of a replay takes as long; a call that does is a failure and not a reason to hang. */
const CALL_MS_MAX = 120_000;

export interface CallResult {
  requestId: string | null;
  /** What is wrong with it, or null. */
  problem: string | null;
  /** performance.now() when the last byte arrived. */
  endedAtMs: number;
  latencyMs: number;
  /** Sent → response head. */
  headMs: number;
}

/** Sends chat completions over kept-alive connections and checks each answer whole. */
export class GatewayClient {
  private readonly pool: Pool;

  constructor(gatewayUrl: string, connections: number) {
    this.pool = new Pool(new URL(gatewayUrl).origin, {
      connections,
      pipelining: 1,
      headersTimeout: CALL_MS_MAX,
      bodyTimeout: CALL_MS_MAX,
    });
  }

  async call(plan: CallPlan, key: string): Promise<CallResult> {
    const startedAtMs = performance.now();
    try {
      const response = await this.pool.request({
        method: 'POST',
        path: '/v1/chat/completions',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: callBody(plan),
        signal: AbortSignal.timeout(CALL_MS_MAX),
      });
      const headMs = performance.now() - startedAtMs;
      const body = Buffer.from(await response.body.arrayBuffer());
      const endedAtMs = performance.now();
      const header = response.headers['x-request-id'];
      const answer: Answer = { status: response.statusCode, requestId: typeof header === 'string' ? header : null, body };
      return {
        requestId: answer.requestId,
        problem: checkAnswer(plan, answer),
        endedAtMs,
        latencyMs: endedAtMs - startedAtMs,
        headMs,
      };
    } catch (error) {
      const endedAtMs = performance.now();
      const latencyMs = endedAtMs - startedAtMs;
      const text = error instanceof Error ? error.message : String(error);
      return { requestId: null, problem: `no whole answer: ${text}`, endedAtMs, latencyMs, headMs: latencyMs };
    }
  }

  close(): Promise<void> {
    return this.pool.close();
  }
}
