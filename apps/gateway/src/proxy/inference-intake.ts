import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { overloaded } from '../admission/admission-problems.service.js';
import { type ApiError, apiError } from '../errors/api-error.types.js';
import { OPENAI_SKIN } from '../errors/error-skin.types.js';
import { sendError } from '../errors/send-error.service.js';
import { BodyPieces } from './body-pieces.js';
import type { Endpoint } from './endpoint.types.js';
import { type InferenceCalls, requestIdHeaders } from './inference-call.js';
import { passBody } from './passed-bodies.js';
import { isWithoutHost, LINGER_MS, unmetExpectation, withoutHost } from './raw-errors.js';
import { BODY_BYTES_MAX, type BodyLease, type RequestBodies } from './request-bodies.js';
import { WaitingRequests } from './waiting-requests.js';

export interface IntakeParts {
  calls: Pick<InferenceCalls, 'handle' | 'shed'>;
  endpoints: readonly Endpoint[];
  bodies: RequestBodies;
  /** Unix ms by Redis's clock: an id has to be of the day on which its call is admitted. */
  nowMs: () => number;
  onDefect: (error: unknown, requestId: string) => void;
}

/** How errors that no handler saw are worded: as the clients of that address read them. */
export type Surface = Pick<Endpoint, 'skin' | 'requestIdHeader'>;
export const OPENAI_SURFACE: Surface = { skin: OPENAI_SKIN };

export function refuse(
  res: ServerResponse,
  error: ApiError,
  { surface, requestId }: { surface: Surface; requestId: string },
): void {
  sendError(res, { ...error, body: surface.skin.body(error, requestId) }, requestIdHeaders(surface, requestId));
}

export function unreadable(isTooLarge: boolean): ApiError {
  const problem = isTooLarge
    ? apiError('request_too_large', `The request body exceeds ${BODY_BYTES_MAX} bytes.`)
    : apiError('invalid_body', 'The request could not be read.');
  // What is left of the body is not read, so the connection cannot carry another request.
  return { ...problem, headers: { connection: 'close' } };
}

/** All bodies together take what memory they may: nothing of this one is kept. */
function noRoom(): ApiError {
  const error = overloaded();
  return { ...error, headers: { ...error.headers, connection: 'close' } };
}

/** Its body was passed over while the request ahead of it was being answered. */
function unreadBehindAnother(): ApiError {
  const message =
    'A request with a long body cannot wait behind another one on its connection. Send it when that is answered, or on another.';
  return apiError('invalid_body', message);
}

const CONTINUE = /100-continue/i;

interface Exchange {
  req: IncomingMessage;
  res: ServerResponse;
}

interface BodyReader {
  lease: BodyLease;
  onBody: (body: Buffer) => void;
  onProblem: (problem: ApiError) => void;
}

/** Calls back once: with the whole body, or with what is wrong. */
export function readBody(req: IncomingMessage, { lease, onBody, onProblem }: BodyReader): void {
  const pieces = new BodyPieces();
  let isOver = false;
  const fail = (problem: ApiError) => {
    if (isOver) return;
    isOver = true;
    pieces.clear();
    lease.letGo();
    onProblem(problem);
  };
  if (Number(req.headers['content-length'] ?? 0) > BODY_BYTES_MAX) return fail(unreadable(true));
  req.on('data', (chunk: Buffer) => {
    if (isOver) return;
    pieces.push(chunk);
    if (pieces.bytes > BODY_BYTES_MAX) fail(unreadable(true));
    else if (!lease.grownTo(pieces.bytes, pieces.count)) fail(noRoom());
  });
  req.on('end', () => {
    if (isOver) return;
    isOver = true;
    onBody(pieces.take());
  });
  req.on('error', () => fail(unreadable(false)));
}

/** Clients of Azure and Anthropic's betas send a query with their calls (`?api-version=…`, `?beta=true`): it says nothing to us. */
function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

/**
 * Takes the calls themselves straight from the HTTP server; everything else (lists, health, metrics, what is no endpoint) goes on
 * to the framework. Its routing, hooks and body parsing would cost a call more than reading and admitting it.
 */
export function takeCalls(server: Server, parts: IntakeParts): void {
  const byUrl = new Map(parts.endpoints.map((endpoint) => [`/v1${endpoint.path}`, endpoint]));
  const others = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');
  const waiting = new WaitingRequests();
  const endpointOf = (req: IncomingMessage) => (req.method === 'POST' ? byUrl.get(pathOf(req.url as string)) : undefined);
  const refuseWith = (problem: ApiError, { req, res }: Exchange) =>
    refuse(res, problem, { surface: endpointOf(req) ?? OPENAI_SURFACE, requestId: uuid7() });
  const handle = (exchange: Exchange) => {
    const { req, res } = exchange;
    if (isWithoutHost(req)) return refuseWith(withoutHost(), exchange);
    const endpoint = endpointOf(req);
    if (endpoint !== undefined) take(parts, endpoint, exchange);
    else for (const listener of others) listener(req as never, res as never);
  };
  const atItsTurn =
    (begin: (exchange: Exchange, isReadable: boolean) => void) => (req: IncomingMessage, res: ServerResponse) => {
      const exchange = { req, res };
      if (res.socket !== null) return begin(exchange, true);
      waiting.add(exchange, (isReadable) => {
        // What the answer ahead set is reset by Node only on a connection that was idle in between.
        req.socket.setTimeout(server.timeout);
        begin(exchange, isReadable);
      });
    };
  const refusePast = (problem: ApiError, exchange: Exchange, silenceMs: number | null) =>
    passBody(exchange.req, silenceMs, (isWhole) => {
      // Nobody knows where a body ends that was not asked for, and so not where the next request begins.
      if (!isWhole) return refuseWith({ ...problem, headers: { ...problem.headers, connection: 'close' } }, exchange);
      // Node ends a connection on which it was not said, also where the body came without it. Clients of HTTP/1.0 do not know it.
      if (silenceMs !== null && CONTINUE.test(exchange.req.headers.expect ?? '')) exchange.res.writeContinue();
      refuseWith(problem, exchange);
    });
  const onRequest = atItsTurn((exchange, isReadable) => {
    if (isReadable) handle(exchange);
    else refusePast(unreadBehindAnother(), exchange, null);
  });
  const onContinue = atItsTurn((exchange, isReadable) => {
    if (!isReadable) return refusePast(unreadBehindAnother(), exchange, LINGER_MS);
    exchange.res.writeContinue();
    handle(exchange);
  });
  const onExpectation = atItsTurn((exchange) => refusePast(unmetExpectation(), exchange, LINGER_MS));
  server.on('request', onRequest).on('checkContinue', onContinue).on('checkExpectation', onExpectation);
}

function take(parts: IntakeParts, endpoint: Endpoint, { req, res }: Exchange): void {
  // Node itself reads past the body of a request that was answered without it, so that the connection carries the next one.
  if (parts.calls.shed(endpoint, res, () => uuid7(parts.nowMs()))) return;
  const lease = parts.bodies.lease(res);
  readBody(req, {
    lease,
    onBody: (body) => {
      // It was told meanwhile that it came too late, and will be sent again.
      if (req.socket.writableEnded) return lease.letGo();
      const requestId = uuid7(parts.nowMs());
      parts.calls.handle(endpoint, { req, body, lease }, { res, requestId }).catch((error: unknown) => {
        parts.onDefect(error, requestId);
        const problem = apiError('internal_error', 'Something went wrong on our side.');
        refuse(res, problem, { surface: endpoint, requestId });
      });
    },
    onProblem: (problem) => refuse(res, problem, { surface: endpoint, requestId: uuid7() }),
  });
}
