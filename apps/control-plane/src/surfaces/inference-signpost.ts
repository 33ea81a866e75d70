import type { OpenAiError } from '@tensorloop/contracts/openai-error';
import type { Request, RequestHandler, Response } from 'express';

const NOT_FOUND = 404;

/** `/v1/*` on this host: an error in OpenAI's shape, because an OpenAI SDK will print it, naming the right base URL (spec TL-13). */
export function inferenceSignpost(gatewayUrl: string): RequestHandler {
  const error: OpenAiError['error'] = {
    message: `This is the dashboard's host. The inference API is at ${gatewayUrl}/v1: set that as the base URL of your client.`,
    type: 'invalid_request_error',
    param: null,
    code: 'wrong_base_url',
  };
  return (_req: Request, res: Response) => {
    res.status(NOT_FOUND).json({ error });
  };
}
