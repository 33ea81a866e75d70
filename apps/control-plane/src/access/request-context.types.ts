import { AsyncLocalStorage } from 'node:async_hooks';
import type { Principal } from './principal.types.js';

/** Where a request came from, as logs of accounts keep it. */
export interface RequestOrigin {
  requestId: string;
  ipPrefix: string;
  userAgent: string;
}

interface RequestContext {
  origin: RequestOrigin;
  principal: Principal | null;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** What `work` does, however deep and however late, can ask where its request came from. */
export function withOrigin(origin: RequestOrigin, work: () => void): void {
  storage.run({ origin, principal: null }, work);
}

/** Outside a request (a job, a command) nothing is known. */
export function currentOrigin(): RequestOrigin {
  return storage.getStore()?.origin ?? { requestId: '', ipPrefix: '', userAgent: '' };
}

export function currentPrincipal(): Principal | null {
  return storage.getStore()?.principal ?? null;
}

export function rememberPrincipal(principal: Principal): void {
  const context = storage.getStore();
  if (context !== undefined) context.principal = principal;
}
