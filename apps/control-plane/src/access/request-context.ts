import { networkPrefixOf } from '@tensorloop/nest-kit/network-prefix';
import { requestIdOf } from '@tensorloop/nest-kit/request-id';
import type { NextFunction, Request, Response } from 'express';
import { withOrigin } from './request-context.types.js';

const USER_AGENT_LENGTH_MAX = 256;

/** Express middleware; install after the request has its id. */
export function keepRequestContext(req: Request, _res: Response, next: NextFunction): void {
  const origin = {
    requestId: requestIdOf(req),
    ipPrefix: networkPrefixOf(req.ip ?? ''),
    userAgent: (req.headers['user-agent'] ?? '').slice(0, USER_AGENT_LENGTH_MAX),
  };
  withOrigin(origin, next);
}
