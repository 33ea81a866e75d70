import { splitCalls } from '@tensorloop/contracts/completed-batch';
import { REQUEST_COMPLETED_BATCH } from '@tensorloop/contracts/subjects';
import type { IncomingMessage } from './ingest.types.js';

/** A message as the consumer hands it over. */
interface StreamMessage {
  subject: string;
  data: Uint8Array;
  sequence: number;
  storedAtMs: number;
}

/** The calls of a message of the stream: one, or as many as it has lines. Each is judged, booked and quarantined by itself. */
export function toIncoming({ subject, data, sequence, storedAtMs }: StreamMessage): IncomingMessage[] {
  const calls = subject === REQUEST_COMPLETED_BATCH ? splitCalls(data) : [data];
  return calls.map((call) => ({ data: call, streamSequence: sequence, storedAtMs }));
}
