import type { OpenAiError } from '@tensorloop/contracts/openai-error';
import type { NextFunction, Request, RequestHandler, Response } from 'express';

const NOT_FOUND = 404;
const VERSIONED = /^\/v1(\/|$)/i;
/** The first segment of OpenAI's and Anthropic's routes: what an SDK asks for whose base URL lacks "/v1". */
const UNVERSIONED =
  /^\/(chat\/completions|completions|embeddings|responses|messages|models|audio|images|moderations|files|batches|rerank)(\/|$)/i;
const BEARER = /^bearer\b/i;
const READING_METHODS = new Set(['GET', 'HEAD']);

/**
 * What belongs to the inference API and was sent to this host: an error in OpenAI's shape, because an OpenAI SDK will print it,
 * naming the right base URL (spec TL-8, TL-13).
 */
export function inferenceSignpost(gatewayUrl: string): RequestHandler {
  const error: OpenAiError['error'] = {
    message: `This is the dashboard's host. The inference API is at ${gatewayUrl}/v1: set that as the base URL of your client.`,
    type: 'invalid_request_error',
    param: null,
    code: 'wrong_base_url',
  };
  return (req: Request, res: Response, next: NextFunction) => {
    if (isInference(req)) res.status(NOT_FOUND).json({ error });
    else next();
  };
}

/** A page of the dashboard may be called /models: without a key, and asked for by a browser, it is none of an SDK. */
function isInference({ path, method, headers }: Request): boolean {
  if (VERSIONED.test(path)) return true;
  if (!UNVERSIONED.test(path)) return false;
  const hasKey = BEARER.test(headers.authorization ?? '') || headers['x-api-key'] !== undefined;
  return hasKey || !READING_METHODS.has(method);
}
