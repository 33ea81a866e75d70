import type { IncomingMessage, ServerResponse } from 'node:http';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type ApiError, apiError } from '../errors/api-error.types.js';
import type { KeyView } from '../keys/key-view.service.js';
import { messages } from '../messages/messages.service.js';
import type { TokenCounting } from '../messages/token-counting.service.js';
import type { ModelsList } from '../models/models-list.service.js';
import type { RequestView } from '../requests/request-view.service.js';
import { type IntakeParts, OPENAI_SURFACE, readBody, refuse, type Surface, unreadable } from './inference-intake.js';
import { BODY_BYTES_MAX, type BodyLease } from './request-bodies.js';

const MODELS = '/v1/models';
const COUNT_TOKENS = '/v1/messages/count_tokens';
const NO_BODY = Buffer.alloc(0);
type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
const METHODS: Method[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

export interface RouteParts extends IntakeParts {
  models: ModelsList;
  ownKey: KeyView;
  ownRequests: RequestView;
  counting: TokenCounting;
  publicUrl: string;
  dashboardUrl: string;
}

type Handler = (req: IncomingMessage, body: Buffer, reply: { res: ServerResponse; requestId: string }) => Promise<void>;

/** Paths of OpenAI's API that clients reach when their base URL lacks `/v1` (spec TL-13). */
const WITHOUT_VERSION =
  /^\/(chat\/completions|completions|embeddings|responses|models|images|audio|files|batches|moderations|messages|rerank)(\/|\?|$)/;

function unknownUrl(parts: RouteParts, method: string, url: string): ApiError {
  const path = url.split('?', 1)[0]?.slice(0, 256) ?? '/';
  if (WITHOUT_VERSION.test(path)) {
    return apiError(
      'unknown_url',
      `Unknown URL: ${method} ${path}. The base URL of this API ends in /v1: ${parts.publicUrl}/v1`,
    );
  }
  if (path.startsWith('/v1/v1/')) {
    return apiError(
      'unknown_url',
      `Unknown URL: ${method} ${path}. Clients that add /v1 themselves, as Anthropic's do, take the base URL ${parts.publicUrl}`,
    );
  }
  if (path === '/api' || path.startsWith('/api/')) {
    return apiError(
      'unknown_url',
      `Unknown URL: ${method} ${path}. The dashboard API is served at ${parts.dashboardUrl}; the inference API has the base URL ${parts.publicUrl}/v1`,
    );
  }
  return apiError('unknown_url', `Unknown URL: ${method} ${path}. The base URL of this API is ${parts.publicUrl}/v1`);
}

/** Takes the reply out of Fastify's hands: from here on only the handler writes to it. */
function hijacked(parts: RouteParts, handler: Handler, surface = OPENAI_SURFACE) {
  return (request: FastifyRequest, reply: FastifyReply): void => {
    reply.hijack();
    const requestId = uuid7(parts.nowMs());
    const body = Buffer.isBuffer(request.body) ? request.body : NO_BODY;
    // Fastify keeps its request until the answer has left; the body is the handler's.
    request.body = undefined;
    handler(request.raw, body, { res: reply.raw, requestId }).catch((error: unknown) => {
      parts.onDefect(error, requestId);
      refuse(reply.raw, apiError('internal_error', 'Something went wrong on our side.'), { surface, requestId });
    });
  };
}

function answerWith(error: (request: FastifyRequest) => ApiError, surface = OPENAI_SURFACE) {
  return (request: FastifyRequest, reply: FastifyReply): void => {
    reply.hijack();
    refuse(reply.raw, error(request), { surface, requestId: uuid7() });
  };
}

/** Carries what is wrong with a body through Fastify to its handler of errors. */
class UnreadBody extends Error {
  constructor(readonly problem: ApiError) {
    super(problem.body.error.message);
  }
}

/** What goes wrong before a handler runs: a body that we could not read, or one that Fastify finds mis-declared. */
function bodyErrorOn(surface: Surface) {
  return (error: { code?: string }, _request: unknown, reply: FastifyReply): void => {
    reply.hijack();
    const isTooLarge = error.code === 'FST_ERR_CTP_BODY_TOO_LARGE';
    const problem = error instanceof UnreadBody ? error.problem : unreadable(isTooLarge);
    refuse(reply.raw, problem, { surface, requestId: uuid7() });
  };
}
export const bodyError = bodyErrorOn(OPENAI_SURFACE);

type RouteHandler = (request: FastifyRequest, reply: FastifyReply) => void;
type BeforeBody = (request: FastifyRequest, reply: FastifyReply, next: () => void) => void;
interface Route {
  handler: RouteHandler;
  surface?: Surface;
  /** Runs before the body is read. */
  onRequest?: BeforeBody;
}
type Add = (method: Method | Method[], url: string, route: Route) => void;

/**
 * The inference surface, registered on the Fastify instance itself: Nest's pipeline per call (guards, pipes, interceptors)
 * costs more than all that a call needs. No CORS headers by design (spec TL-14).
 */
export function registerInferenceRoutes(fastify: FastifyInstance, parts: RouteParts): void {
  fastify.removeAllContentTypeParsers();
  const leases = new WeakMap<IncomingMessage, BodyLease>();
  fastify.addHook('onRequest', (request, reply, next) => {
    leases.set(request.raw, parts.bodies.lease(reply.raw));
    next();
  });
  fastify.addContentTypeParser('*', ({ raw }, _payload, done) => {
    const lease = leases.get(raw) as BodyLease;
    readBody(raw, { lease, onBody: (body) => done(null, body), onProblem: (problem) => done(new UnreadBody(problem)) });
  });
  const add: Add = (method, url, { surface = OPENAI_SURFACE, ...route }) => {
    const errorHandler = bodyErrorOn(surface);
    fastify.route({ ...route, method, url, errorHandler, bodyLimit: BODY_BYTES_MAX, exposeHeadRoute: false });
  };
  const only = (allowed: Method[], url: string, surface = OPENAI_SURFACE) => {
    const hint = apiError('method_not_allowed', `${url} takes ${allowed.join(' and ')} only.`, {
      headers: { allow: allowed.join(', ') },
    });
    const others = METHODS.filter((method) => !allowed.includes(method));
    add(others, url, { handler: answerWith(() => hint, surface), surface });
  };
  for (const endpoint of parts.endpoints) {
    const url = `/v1${endpoint.path}`;
    // Of addresses in another spelling, which only Fastify's routing understands.
    const onRequest: BeforeBody = (_request, reply, next) => {
      if (parts.calls.shed(endpoint, reply.raw, () => uuid7(parts.nowMs()))) reply.hijack();
      else next();
    };
    const handle: Handler = (req, body, reply) =>
      parts.calls.handle(endpoint, { req, body, lease: leases.get(req) as BodyLease }, reply);
    add('POST', url, { handler: hijacked(parts, handle, endpoint), surface: endpoint, onRequest });
    only(['POST'], url, endpoint);
  }
  const count: Handler = (req, body, reply) => {
    const lease = leases.get(req) as BodyLease;
    lease.hold();
    return parts.counting.handle({ headers: req.headers, body, ...reply }).finally(() => lease.letGo());
  };
  add('POST', COUNT_TOKENS, { handler: hijacked(parts, count, messages), surface: messages });
  only(['POST'], COUNT_TOKENS, messages);
  add('GET', MODELS, { handler: hijacked(parts, (req, _body, reply) => parts.models.list(req, reply)) });
  only(['GET'], MODELS);
  add('GET', `${MODELS}/*`, {
    handler: (request, reply) => {
      const { '*': id } = request.params as { '*': string };
      hijacked(parts, (req, _body, hijack) => parts.models.get(req, id, hijack))(request, reply);
    },
  });
  only(['GET'], `${MODELS}/*`);
  add('GET', '/v1/key', { handler: hijacked(parts, (req, _body, reply) => parts.ownKey.get(req, reply)) });
  only(['GET'], '/v1/key');
  add('GET', '/v1/requests/:id', {
    handler: (request, reply) => {
      const { id } = request.params as { id: string };
      hijacked(parts, (req, _body, hijack) => parts.ownRequests.get(req, id, hijack))(request, reply);
    },
  });
  only(['GET'], '/v1/requests/:id');
  add(METHODS, '/*', { handler: answerWith((request) => unknownUrl(parts, request.method, request.url)) });
}
