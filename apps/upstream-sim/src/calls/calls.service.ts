import { answerBeforeHead } from '../faults/faults.js';
import type { Oracle } from '../oracle/oracle.js';
import type { Failure } from '../server/openai-error.js';
import { BODY_BYTES_MAX, type BodyResult, readBody } from '../server/read-body.js';
import type { Statistics } from '../server/statistics.js';
import { Call, type Exchange } from './call.js';
import type { CallPlan, CallRequest, EndpointPlanner } from './calls.types.js';

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

const TOO_DEEP: Failure = {
  status: 400,
  error: {
    message: 'The request body is nested too deeply.',
    type: 'invalid_request_error',
    param: null,
    code: null,
  },
};

/** Serves the calls of all endpoints from the first byte of the request to the last of the answer. */
export class CallsService {
  private readonly open = new Set<Promise<void>>();
  private readonly oracle: Oracle;
  private readonly statistics: Statistics;

  constructor(oracle: Oracle, statistics: Statistics) {
    this.oracle = oracle;
    this.statistics = statistics;
  }

  serve(exchange: Exchange, planner: EndpointPlanner, deployment: string | null = null): void {
    const call = new Call(exchange, planner.endpoint, this.oracle);
    if (this.open.size >= OPEN_CALLS_MAX) {
      exchange.req.resume();
      return this.follow(call, fail(call, planner, OVERLOADED));
    }
    const answered = new Promise<BodyResult>((resolve) => readBody(exchange.req, resolve)).then((body) => {
      if (body.kind === 'broken_off') return call.settle('client_gone');
      if (body.kind === 'too_large') return fail(call, planner, TOO_LARGE);
      return answer(call, planner, { bytes: body.bytes, headers: exchange.req.headers, deployment });
    });
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
}

async function answer(call: Call, planner: EndpointPlanner, request: CallRequest): Promise<void> {
  const plan = await planOf(planner, request);
  if ('error' in plan) return fail(call, planner, plan);
  call.record.model = plan.model;
  call.record.stream = plan.stream;
  if (plan.sim.latencyMs !== undefined) await call.wait(plan.sim.latencyMs);
  if (call.isGone) return call.settle('client_gone');
  if (await answerBeforeHead(call, plan, planner.failureBody)) return;
  try {
    await plan.answer(call);
  } catch (err) {
    // What a request has nested too deeply may be readable and still not be written again, as some answers do.
    if (!(err instanceof RangeError)) throw err;
    await call.breakOff('', 'cut');
  }
}

/** A body nested deeper than the stack goes is the caller's fault, and must not end this process. */
async function planOf(planner: EndpointPlanner, request: CallRequest): Promise<CallPlan | Failure> {
  try {
    return await planner.plan(request);
  } catch (err) {
    if (err instanceof RangeError) return TOO_DEEP;
    throw err;
  }
}

function fail(call: Call, planner: EndpointPlanner, failure: Failure): Promise<void> {
  return call.fail(failure.status, planner.failureBody(failure));
}
