const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

export interface RequestOrigin {
  method: string;
  /** Sec-Fetch-Site: set by browsers, out of a page's reach. */
  fetchSite: string | undefined;
  /** Origin: set by browsers on everything but plain GETs. */
  origin: string | undefined;
}

/**
 * Whether a request that changes something may have been caused by another site. SameSite=Lax keeps the cookie off
 * cross-site POSTs already; this also covers sibling domains ("same-site"). A request with neither header comes from no
 * browser, so no victim's cookie can be in it unasked.
 */
export function isForged(request: RequestOrigin, publicOrigin: string): boolean {
  if (SAFE_METHODS.has(request.method)) return false;
  if (request.fetchSite !== undefined) return request.fetchSite !== 'same-origin' && request.fetchSite !== 'none';
  return request.origin !== undefined && request.origin !== publicOrigin;
}
