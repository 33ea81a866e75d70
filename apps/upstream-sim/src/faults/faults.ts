import { type Call, SILENCE_MS_MAX } from '../calls/call.js';
import type { CallPlan, EndpointPlanner } from '../calls/calls.types.js';
import type { Failure } from '../server/openai-error.js';

const STATUS_DEFAULT = 500;

/** The faults that come instead of an answer. Resolves to true when one of them was it. */
export async function answerBeforeHead(
  call: Call,
  plan: CallPlan,
  failureBody: EndpointPlanner['failureBody'],
): Promise<boolean> {
  switch (plan.sim.fault) {
    case 'status':
      await answerStatus(call, plan, failureBody);
      return true;
    case 'refuse':
      await call.breakOff('', 'error');
      return true;
    case 'never':
      await call.wait(SILENCE_MS_MAX);
      await call.breakOff('', 'error');
      return true;
    default:
      return false;
  }
}

async function answerStatus(call: Call, plan: CallPlan, failureBody: EndpointPlanner['failureBody']): Promise<void> {
  const status = plan.sim.status ?? STATUS_DEFAULT;
  const headers: Record<string, string | number> = {};
  if (plan.sim.retryAfterMs !== undefined) {
    headers['retry-after'] = Math.ceil(plan.sim.retryAfterMs / 1_000);
    headers['retry-after-ms'] = plan.sim.retryAfterMs;
  }
  await call.fail(
    status,
    failureBody({ status, error: { message: `x_sim asked for status ${status}`, param: null, ...kindOf(status) } }),
    headers,
  );
}

function kindOf(status: number): Pick<Failure['error'], 'type' | 'code'> {
  if (status === 429) return { type: 'requests', code: 'rate_limit_exceeded' };
  if (status === 401) return { type: 'invalid_request_error', code: 'invalid_api_key' };
  return { type: status < 500 ? 'invalid_request_error' : 'server_error', code: null };
}
