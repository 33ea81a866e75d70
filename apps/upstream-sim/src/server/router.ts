import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { CallsService } from '../calls/calls.service.js';
import { serveCountTokens } from '../messages/count-tokens.js';
import { findModel, modelList } from '../models/models.js';
import { type Failure, failureBody, notFound } from './openai-error.js';
import { findRoute } from './routes.js';
import type { Statistics } from './statistics.js';

const COUNT_TOKENS_PATH = '/v1/messages/count_tokens';
const MODELS_PATH = '/v1/models';

/** Routes by hand: one look into a table for the paths that matter. */
export function createRouter(calls: CallsService, statistics: Statistics): RequestListener {
  return (req, res) => {
    const path = pathOf(req.url ?? '/');
    const route = findRoute(req, path);
    if (route && req.method === 'POST') return calls.serve({ req, res }, route.planner, route.deployment);
    if (path === COUNT_TOKENS_PATH && req.method === 'POST') return serveCountTokens(req, res);
    // The body of any other request is not looked at, but must be consumed for the connection to be used again.
    req.resume();
    if (route) return sendFailure(res, methodNotAllowed(req, path));
    if (req.method !== 'GET') return sendFailure(res, notFound(req.method ?? '', path));
    if (path === '/health/live') return sendJson(res, { status: 'ok' });
    if (path === '/health/ready') return sendJson(res, { status: 'ok', dependencies: {} });
    if (path === '/metrics') return sendText(res, statistics.render());
    if (path === '/stats') return sendJson(res, statistics.snapshot());
    if (path === MODELS_PATH) return sendJson(res, modelList());
    if (path.startsWith(`${MODELS_PATH}/`)) return sendModel(res, path.slice(MODELS_PATH.length + 1));
    sendFailure(res, notFound('GET', path));
  };
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

function sendModel(res: ServerResponse, encodedId: string): void {
  const id = decodeId(encodedId);
  const model = findModel(id);
  if (model) return sendJson(res, model);
  sendFailure(res, {
    status: 404,
    error: {
      message: `The model '${id}' does not exist`,
      type: 'invalid_request_error',
      param: 'model',
      code: 'model_not_found',
    },
  });
}

function decodeId(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function methodNotAllowed(req: IncomingMessage, path: string): Failure {
  return {
    status: 405,
    error: {
      message: `Not allowed to ${req.method} on ${path}. (HINT: Perhaps you meant to use a different HTTP method?)`,
      type: 'invalid_request_error',
      param: null,
      code: 'method_not_supported',
    },
  };
}

function sendJson(res: ServerResponse, body: unknown): void {
  send(res, 200, { type: 'application/json', text: JSON.stringify(body) });
}

function sendText(res: ServerResponse, text: string): void {
  send(res, 200, { type: 'text/plain; version=0.0.4; charset=utf-8', text });
}

function sendFailure(res: ServerResponse, failure: Failure): void {
  send(res, failure.status, { type: 'application/json', text: failureBody(failure) });
}

function send(res: ServerResponse, status: number, { type, text }: { type: string; text: string }): void {
  res.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  res.end(text);
}
