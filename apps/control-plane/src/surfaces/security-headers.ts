import type { NextFunction, Request, RequestHandler, Response } from 'express';

const YEAR_S = 31_536_000;

/**
 * Headers of every answer, refusals included. What is not meant to be looked at in a browser loads and frames nothing; pages
 * that are replace the policy by their own. HSTS only over https: on a developer's machine it would lock the host name out.
 */
export function setSecurityHeaders(publicUrl: string): RequestHandler {
  const headers: [name: string, value: string][] = [
    ['content-security-policy', "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"],
    ['x-content-type-options', 'nosniff'],
    ['x-frame-options', 'DENY'],
    ['referrer-policy', 'no-referrer'],
    ['cross-origin-opener-policy', 'same-origin'],
    ['cross-origin-resource-policy', 'same-origin'],
    ['permissions-policy', 'camera=(), geolocation=(), microphone=()'],
    // Answers are of one account and one moment; entity tags are for clients that keep answers themselves.
    ['cache-control', 'no-store'],
    ...(publicUrl.startsWith('https://')
      ? ([['strict-transport-security', `max-age=${YEAR_S}; includeSubDomains`]] as [string, string][])
      : []),
  ];
  return (_req: Request, res: Response, next: NextFunction) => {
    for (const [name, value] of headers) res.setHeader(name, value);
    next();
  };
}
