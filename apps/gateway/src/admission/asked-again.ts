import type { RpcFailure } from '@tensorloop/contracts/rpc';
import { RPC_TIMEOUT_MS } from '@tensorloop/nest-kit/rpc';

/**
 * A question without an answer is asked again after this time, then after twice as long each time, and so many times in all; the
 * first answer counts. Whoever is slow for having too much to do gets few more questions.
 */
export const ASK_AGAIN_MS = 250;
export const ASKS_MAX = 4;

/** Nobody is there, or all would say the same: asking again would only take longer. */
const FINAL: ReadonlySet<string> = new Set(['rpc_unreachable', 'replaying']);

/**
 * Asks a service of several replicas something that may be asked twice. NATS hands a question to any one of them, also to one
 * that stands still or has lost its database, and which answers nobody: who is asked again should be all of them. All of it
 * ends within the time of one RPC. `ask` is told how often it was asked before.
 */
export function askAgain<Reply extends { ok: true }>(
  ask: (timeoutMs: number, asked: number) => Promise<Reply | RpcFailure>,
): Promise<Reply | RpcFailure> {
  return new Promise((resolve) => {
    let asked = 0;
    let open = 0;
    let timer: NodeJS.Timeout | undefined;
    const answered = (reply: Reply | RpcFailure) => {
      open -= 1;
      if (!reply.ok && !FINAL.has(reply.code) && (open > 0 || asked < ASKS_MAX)) return;
      clearTimeout(timer);
      resolve(reply);
    };
    const next = () => {
      const before = asked;
      // 1, 2, 4 … times ASK_AGAIN_MS, one less than the next power of two in all.
      const timeoutMs = RPC_TIMEOUT_MS - (2 ** before - 1) * ASK_AGAIN_MS;
      asked += 1;
      open += 1;
      if (asked < ASKS_MAX) timer = setTimeout(next, 2 ** before * ASK_AGAIN_MS);
      void ask(timeoutMs, before).then(answered);
    };
    next();
  });
}
