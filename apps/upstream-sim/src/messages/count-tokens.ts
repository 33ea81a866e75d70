import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../server/read-body.js';
import { anthropicFailureBody } from './anthropic-error.js';
import { countInputTokens } from './messages.request.js';

/** Counting is free and serves nothing, so it leaves no record. */
export function serveCountTokens(req: IncomingMessage, res: ServerResponse): void {
  readBody(req, (read) => {
    if (read.kind !== 'read') return void res.destroy();
    const counted = countInputTokens({ bytes: read.bytes, headers: req.headers, deployment: null });
    const isCounted = typeof counted === 'number';
    res.writeHead(isCounted ? 200 : counted.status, { 'content-type': 'application/json' });
    res.end(isCounted ? JSON.stringify({ input_tokens: counted }) : anthropicFailureBody(counted));
  });
}
