import type { IncomingMessage } from 'node:http';
import type { EndpointPlanner } from '../calls/calls.types.js';
import type { Failure } from '../server/openai-error.js';

const PATH = /^\/openai\/deployments\/([^/]+)\/(.+)$/;

/** Azure OpenAI's form of a path: the deployment is in it, and behind it what OpenAI has behind `/v1/`. */
export function parseAzurePath(path: string): { deployment: string; operation: string } | null {
  const [, encoded, operation] = PATH.exec(path) ?? [];
  if (encoded === undefined || operation === undefined) return null;
  try {
    return { deployment: decodeURIComponent(encoded), operation };
  } catch {
    return null;
  }
}

/** OpenAI's planner behind Azure's door: a key in `api-key` (or a bearer token), and a version in the query. */
export function behindAzure(planner: EndpointPlanner, req: IncomingMessage): EndpointPlanner {
  const refusal = findRefusal(req);
  return refusal ? { ...planner, failureBody: azureFailureBody, plan: () => refusal } : planner;
}

function findRefusal(req: IncomingMessage): Failure | null {
  if (!req.headers['api-key'] && !req.headers.authorization) {
    const message =
      'Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.';
    return { status: 401, error: { message, type: 'invalid_request_error', param: null, code: '401' } };
  }
  if (!new URL(req.url ?? '/', 'http://azure.invalid').searchParams.get('api-version'))
    return { status: 404, error: { message: 'Resource not found', type: 'invalid_request_error', param: null, code: '404' } };
  return null;
}

function azureFailureBody({ error }: Failure): string {
  return JSON.stringify({ error: { code: error.code, message: error.message } });
}
