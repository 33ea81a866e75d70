import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { readManagementBearer } from '../tokens/tokens.types.js';
import { authProblems } from './auth.errors.js';
import { isForged } from './csrf.rules.js';

const BEARER = /^bearer\b/i;
const JSON_TYPE = /^application\/json\s*(;|$)/i;

/** What every request to /api must be before a route looks at it. */
export function apiGate(options: { publicUrl: string; gatewayUrl: string }): RequestHandler {
  const publicOrigin = new URL(options.publicUrl).origin;
  return (req: Request, res: Response, next: NextFunction) => {
    res.setHeader('cache-control', 'no-store');
    const { authorization, origin } = req.headers;
    const isScript = readManagementBearer(authorization) !== null;
    // A key on this surface is a mistake worth explaining, whatever else the request carries (spec TL-6).
    if (authorization !== undefined && BEARER.test(authorization) && !isScript) {
      const detail = `Bearer keys are for the inference API at ${options.gatewayUrl}/v1. The dashboard API under /api takes a session cookie, or a management token (tlm_…).`;
      return next(authProblems.wrong_surface({ detail }));
    }
    const fetchSite = req.headers['sec-fetch-site'];
    // No page of another site can make a browser send a token, and a request that carries one is judged by it alone.
    if (
      !isScript &&
      isForged({ method: req.method, fetchSite: typeof fetchSite === 'string' ? fetchSite : undefined, origin }, publicOrigin)
    ) {
      return next(authProblems.cross_site_request());
    }
    // A form can be sent from anywhere; JSON only by a page that this host allows to.
    if (hasBody(req) && !JSON_TYPE.test(req.headers['content-type'] ?? '')) return next(authProblems.json_expected());
    return next();
  };
}

function hasBody(req: Request): boolean {
  return req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;
}
