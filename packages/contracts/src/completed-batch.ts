/**
 * `request.completed.batch.v1`: several ended calls in one message of the stream. Each line is a `request.completed.v1` as it
 * would have been sent alone; JSON has no line break outside of its layout, and gateways write it without one. A message costs
 * NATS, gateways and metering more than what is in it, so calls that end at the same time share one.
 *
 * Only for a metering that has said that it takes batches (`takesBatches` of its settle-acks).
 */
export const BATCH_CALLS_MAX = 64;
/** UTF-16 units, far below NATS's limit of 1 MB a message however many bytes each takes. */
export const BATCH_CHARACTERS_MAX = 128 * 1024;

const LINE_BREAK = 0x0a;

/** Bundles of payloads in their order, each one message: within the bounds, except that a longer payload goes alone. */
export function bundlesOf<T extends { payload: string }>(calls: readonly T[]): T[][] {
  const bundles: T[][] = [];
  let bundle: T[] = [];
  let characters = 0;
  for (const call of calls) {
    const isFull = bundle.length === BATCH_CALLS_MAX || characters + call.payload.length > BATCH_CHARACTERS_MAX;
    if (bundle.length > 0 && isFull) {
      bundles.push(bundle);
      bundle = [];
      characters = 0;
    }
    bundle.push(call);
    characters += call.payload.length;
  }
  return bundle.length === 0 ? bundles : [...bundles, bundle];
}

export function joinCalls(calls: readonly { payload: string }[]): string {
  return calls.map(({ payload }) => payload).join('\n');
}

/** The lines of a message, without a copy. At least one, so that no message is without consequence. */
export function splitCalls(data: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let first = 0;
  for (let end = data.indexOf(LINE_BREAK); end !== -1; end = data.indexOf(LINE_BREAK, first)) {
    lines.push(data.subarray(first, end));
    first = end + 1;
  }
  lines.push(data.subarray(first));
  return lines;
}
