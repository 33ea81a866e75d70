import { createHash } from 'node:crypto';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { DIMENSIONS, type Usage } from '@tensorloop/contracts/usage';

/**
 * SHA-256 of the event's canonical text: fields in the schema's order (which parsing imposes), usage in the contract's
 * order without zeros. Hashing the bytes as sent would call a gateway's own second copy an intruder as soon as a new
 * release wrote the fields in another order.
 */
export function hashEvent(event: RequestCompleted): Buffer {
  const canonical = JSON.stringify({ ...event, usage: canonicalUsage(event.usage) });
  return createHash('sha256').update(canonical).digest();
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
