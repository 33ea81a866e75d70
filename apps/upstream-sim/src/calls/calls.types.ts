import type { IncomingHttpHeaders } from 'node:http';
import type { Endpoint } from '@tensorloop/contracts/endpoint';
import type { XSim } from '../faults/x-sim.js';
import type { Failure } from '../server/openai-error.js';
import type { Call } from './call.js';

/** A request as a planner sees it. */
export interface CallRequest {
  bytes: Buffer;
  headers: IncomingHttpHeaders;
  /** The model by the path, where the path names one (Azure); else null. */
  deployment: string | null;
}

/** What one call will be answered with. */
export interface CallPlan {
  model: string;
  stream: boolean;
  sim: XSim;
  /** Answers from the response head on; called once waits and faults before the head are over. */
  answer(call: Call): Promise<void>;
}

/** One endpoint: decides the answer wholly from the request, so that the same request always gets the same answer. */
export interface EndpointPlanner {
  endpoint: Endpoint;
  plan(request: CallRequest): CallPlan | Failure | Promise<CallPlan | Failure>;
  /** A failure in the words of the endpoint's vendor. */
  failureBody(failure: Failure): string;
}
