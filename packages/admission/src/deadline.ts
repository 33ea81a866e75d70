/** A script did not answer in time. Whether it ran, or still will, is unknown. */
export class ScriptTimeoutError extends Error {
  override readonly name = 'ScriptTimeoutError';
}

/**
 * Rejects when `work` has not settled within `timeoutMs` of waiting. Time in which this process itself was busy does not
 * count against Redis: timers run before sockets are read, so after a stall of the event loop a plain timer would refuse
 * calls whose answer already lies in the socket. Hence sockets are read once more before giving up.
 */
export function withDeadline<Value>(work: Promise<Value>, timeoutMs: number): Promise<Value> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(new ScriptTimeoutError(`Redis did not answer within ${timeoutMs} ms`));
    const timer = setTimeout(() => setImmediate(giveUp), timeoutMs);
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
