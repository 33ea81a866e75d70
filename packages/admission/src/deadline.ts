/** A script did not answer in time. Whether it ran, or still will, is unknown. */
export class ScriptTimeoutError extends Error {
  override readonly name = 'ScriptTimeoutError';
}

/** A timer this late stood still with its process, and perhaps with the whole machine. */
const STALL_MS = 20;
/** What the other side gets once more then, since it may have stood still as well. */
const GRACE_MS = 20;

/**
 * Rejects when `work` has not settled within `timeoutMs` of waiting. Time in which this process itself was busy does not
 * count against Redis: timers run before sockets are read, so after a stall of the event loop a plain timer would refuse
 * calls whose answer already lies in the socket. Hence sockets are read once more before giving up, and after a stall for GRACE_MS.
 */
export function withDeadline<Value>(work: Promise<Value>, timeoutMs: number): Promise<Value> {
  return new Promise((resolve, reject) => {
    const dueAtMs = performance.now() + timeoutMs;
    const giveUp = () => reject(new ScriptTimeoutError(`Redis did not answer within ${timeoutMs} ms`));
    const readOnce = () => setImmediate(giveUp);
    let timer = setTimeout(() => {
      if (performance.now() < dueAtMs + STALL_MS) readOnce();
      else timer = setTimeout(readOnce, GRACE_MS);
    }, timeoutMs);
    const settle = (finish: () => void) => {
      clearTimeout(timer);
      finish();
    };
    work.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}
