import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Endpoint } from '@tensorloop/contracts/endpoint';
import type { OracleRecord } from '@tensorloop/contracts/oracle-record';
import type { Usage } from '@tensorloop/contracts/usage';
import type { Oracle } from '../oracle/oracle.js';
import type { TokenPlan } from './token-plan.js';

/** How long a deliberate silence lasts at most: longer than any caller's own timeout. */
export const SILENCE_MS_MAX = 600_000;
const REQUEST_ID_LENGTH_MAX = 200;
/** Ids are unique across restarts: the instant this process began, then a counter. */
const ID_PREFIX = `${Date.now().toString(36)}${process.pid.toString(36)}`;
let callCount = 0;

export interface Exchange {
  req: IncomingMessage;
  res: ServerResponse;
}

/** One call in progress: what has been sent so far, whether the peer is still there, and its record. */
export class Call {
  readonly id: string;
  readonly record: OracleRecord;
  /** What was served besides text tokens; tokens that are part of the prompt are taken out of `input`. */
  units: Usage = {};
  isGone = false;
  private wakeUp: (() => void) | null = null;
  private readonly res: ServerResponse;
  private readonly oracle: Oracle;

  constructor({ req, res }: Exchange, endpoint: Endpoint, oracle: Oracle) {
    this.res = res;
    this.oracle = oracle;
    this.id = `${ID_PREFIX}${(callCount++).toString(36)}`;
    const requestId = req.headers['x-request-id'];
    this.record = {
      v: 1,
      id: this.id,
      gatewayRequestId: typeof requestId === 'string' ? requestId.slice(0, REQUEST_ID_LENGTH_MAX) : null,
      model: null,
      stream: false,
      endpoint,
      promptTokens: 0,
      cachedTokens: 0,
      completionTokens: 0,
      reasoningTokens: 0,
      status: null,
      outcome: 'completed',
      usageSent: false,
      bytesSent: 0,
      startedAtMs: Date.now(),
      endedAtMs: 0,
    };
    res.on('close', () => {
      this.isGone = !res.writableFinished;
      this.wake();
    });
  }

  /** Notes what the call reads, and for an answer in one piece what it makes. */
  serveTokens(plan: TokenPlan, choices: number): void {
    this.record.promptTokens = plan.promptTokens;
    this.record.cachedTokens = plan.cachedTokens;
    if (plan.cacheWriteTokens > 0) this.units.input_cache_write = plan.cacheWriteTokens;
    this.record.completionTokens = plan.completionTokens * choices;
    this.record.reasoningTokens = plan.reasoningTokens * choices;
  }

  /** Resolves after `ms`, or at once when the peer leaves. */
  wait(ms: number): Promise<void> {
    if (ms <= 0 || this.isGone) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  head(status: number, headers: Record<string, string | number>): void {
    this.record.status = status;
    this.res.writeHead(status, {
      'x-request-id': `req_${this.id}`,
      'request-id': `req_${this.id}`,
      'openai-version': '2020-10-01',
      ...headers,
    });
  }

  /** Sends a part of the body; resolves when there is room for more, or the peer has left. */
  write(text: string | Buffer): Promise<void> {
    if (this.isGone) return Promise.resolve();
    this.record.bytesSent += Buffer.byteLength(text);
    if (this.res.write(text)) return Promise.resolve();
    return new Promise((resolve) => {
      this.wakeUp = resolve;
      this.res.once('drain', resolve);
    });
  }

  /**
   * Sends the last part of the body once the record is durable, so that no client can hold an answer that is missing from it.
   * A peer that vanishes while the last bytes are on their way replaces the record.
   */
  async end(text: string | Buffer, outcome: OracleRecord['outcome']): Promise<void> {
    if (this.isGone) return this.settle('client_gone');
    const bytes = Buffer.byteLength(text);
    this.record.bytesSent += bytes;
    await this.settle(outcome);
    if (!this.isGone) await this.flush(text);
    if (!this.isGone) return;
    this.record.bytesSent -= bytes;
    this.record.usageSent = false;
    await this.settle('client_gone');
  }

  /** Answers with an error: nothing was generated. */
  async fail(status: number, body: string, headers: Record<string, string | number> = {}): Promise<void> {
    this.head(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers });
    await this.end(body, 'error');
  }

  /** Sends `text`, then keeps silent until the peer leaves. */
  async hang(text: string | Buffer): Promise<void> {
    if (text.length > 0) await this.write(text);
    await this.wait(SILENCE_MS_MAX);
    await this.breakOff('', 'cut');
  }

  /** Breaks the connection off once what was written has left. */
  async breakOff(text: string | Buffer, outcome: OracleRecord['outcome']): Promise<void> {
    this.record.bytesSent += Buffer.byteLength(text);
    await this.settle(this.isGone ? 'client_gone' : outcome);
    if (!this.isGone && text.length > 0) {
      await new Promise<void>((resolve) => {
        this.wakeUp = resolve;
        this.res.write(text, () => resolve());
      });
    }
    this.res.destroy();
  }

  /** Makes the record durable. */
  settle(outcome: OracleRecord['outcome']): Promise<void> {
    this.record.outcome = outcome;
    this.record.endedAtMs = Date.now();
    this.record.quantities = disjointQuantities(this.record, this.units);
    return this.oracle.append(this.record);
  }

  private flush(text: string | Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.wakeUp = resolve;
      this.res.end(text);
    });
  }

  private wake(): void {
    const { wakeUp } = this;
    this.wakeUp = null;
    wakeUp?.();
  }
}

/** Dimensions whose tokens the record's prompt or completion count holds too. */
const PARTS_OF_PROMPT = ['input_cache_write', 'input_audio', 'input_image'] as const;
const PARTS_OF_COMPLETION = ['output_audio', 'output_image'] as const;

function disjointQuantities(record: OracleRecord, units: Usage): Usage {
  const sum = (dimensions: readonly (keyof Usage)[]) => dimensions.reduce((total, name) => total + (units[name] ?? 0), 0);
  const all: Usage = {
    ...units,
    input: record.promptTokens - record.cachedTokens - sum(PARTS_OF_PROMPT),
    input_cache_read: record.cachedTokens,
    output: record.completionTokens - record.reasoningTokens - sum(PARTS_OF_COMPLETION),
    output_reasoning: record.reasoningTokens,
  };
  return Object.fromEntries(Object.entries(all).filter(([, quantity]) => quantity > 0));
}
