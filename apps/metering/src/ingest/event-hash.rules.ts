import { createHash } from 'node:crypto';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { DIMENSIONS, type Usage } from '@tensorloop/contracts/usage';

/**
 * SHA-256 of the event's canonical text: every object's fields by name, usage without zeros. Hashing the bytes as sent, or
 * in the schema's order, would call a gateway's own second copy an intruder as soon as a new release of either side wrote
 * the fields in another order, or knew one more of them.
 */
export function hashEvent(event: RequestCompleted): Buffer {
  const canonical = JSON.stringify({ ...event, usage: canonicalUsage(event.usage) }, sortedByName);
  return createHash('sha256').update(canonical).digest();
}

/** For JSON.stringify: objects come out with their fields in the order of their names. */
function sortedByName(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}

function canonicalUsage(usage: Usage): Usage {
  const canonical: Usage = {};
  for (const dimension of DIMENSIONS) {
    const quantity = usage[dimension];
    if (quantity) canonical[dimension] = quantity;
  }
  return canonical;
}

/** SHA-256 of a message as it came: identifies what is quarantined. */
export function hashBytes(data: Uint8Array): Buffer {
  return createHash('sha256').update(data).digest();
}
