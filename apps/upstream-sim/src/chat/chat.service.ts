import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerBeforeHead } from '../faults/faults.js';
import type { Oracle } from '../oracle/oracle.js';
import { type Failure, failureBody } from '../server/openai-error.js';
import { BODY_BYTES_MAX, type BodyResult, readBody } from '../server/read-body.js';
import type { Statistics } from '../server/statistics.js';
import { Call } from './call.js';
import { answerWhole } from './chat.json.js';
import { type ChatPlan, planChat } from './chat.request.js';
import { answerStream } from './chat.stream.js';

/** Calls in progress. Beyond it: 503, so that neither memory nor the oracle's queue can grow without bound. */
const OPEN_CALLS_MAX = 10_000;

const OVERLOADED: Failure = {
  status: 503,
  error: {
    message: 'The engine is currently overloaded, please try again later',
    type: 'server_error',
    param: null,
    code: null,
  },
};
const TOO_LARGE: Failure = {
  status: 413,
  error: {
    message: `The request body is larger than ${BODY_BYTES_MAX} bytes.`,
    type: 'invalid_request_error',
    param: null,
    code: 'request_too_large',
  },
};

/** Serves chat completions from the first byte of the request to the last of the answer. */
export class ChatService {
  private readonly open = new Set<Promise<void>>();
  private readonly oracle: Oracle;
  private readonly statistics: Statistics;

  constructor(oracle: Oracle, statistics: Statistics) {
    this.oracle = oracle;
    this.statistics = statistics;
  }

  serve(req: IncomingMessage, res: ServerResponse): void {
    const call = new Call(req, res, this.oracle);
    if (this.open.size >= OPEN_CALLS_MAX) {
      req.resume();
      return this.follow(call, this.fail(call, OVERLOADED));
    }
    const answered = new Promise<BodyResult>((resolve) => readBody(req, resolve)).then((body) => this.answer(call, body));
    this.follow(call, answered);
  }

  /** Resolves when no call is in progress. */
  async settled(): Promise<void> {
    await Promise.all(this.open);
  }

  private follow(call: Call, answered: Promise<void>): void {
    const followed = answered.finally(() => {
      this.open.delete(followed);
      this.statistics.openCalls = this.open.size;
      this.statistics.count(call.record);
    });
    this.open.add(followed);
    this.statistics.openCalls = this.open.size;
  }

  private async answer(call: Call, body: BodyResult): Promise<void> {
    if (body.kind === 'broken_off') return call.settle('client_gone');
    if (body.kind === 'too_large') return this.fail(call, TOO_LARGE);
    const plan = planChat(body.bytes);
    if ('error' in plan) return this.fail(call, plan);
    call.record.model = plan.model;
    call.record.stream = plan.stream;
    if (plan.sim.latencyMs !== undefined) await call.wait(plan.sim.latencyMs);
    if (call.isGone) return call.settle('client_gone');
    if (await answerBeforeHead(call, plan)) return;
    return this.generate(call, plan);
  }

  private generate(call: Call, plan: ChatPlan): Promise<void> {
    call.record.promptTokens = plan.promptTokens;
    call.record.cachedTokens = plan.cachedTokens;
    return plan.stream ? answerStream(call, plan) : answerWhole(call, plan);
  }

  private fail(call: Call, failure: Failure): Promise<void> {
    return call.fail(failure.status, failureBody(failure));
  }
}
