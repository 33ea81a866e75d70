import type { XSim } from '../faults/x-sim.js';
import type { Call } from './call.js';

/** An answer in one piece. The tokens it stands for are in the call's record already. */
export interface WholeAnswer {
  sim: XSim;
  contentType: string;
  body: string | Buffer;
  hasUsage: boolean;
}

/** Sends it, or what the call's fault leaves of it. */
export async function answerWhole(call: Call, { sim, contentType, body, hasUsage }: WholeAnswer): Promise<void> {
  const { fault } = sim;
  const middle = body.length >> 1;
  const half = typeof body === 'string' ? body.slice(0, middle) : body.subarray(0, middle);
  const whole = fault === 'malformed' ? half : body;
  call.head(200, { 'content-type': contentType, 'content-length': Buffer.byteLength(whole) });
  if (fault === 'cut' || fault === 'cut_json') return call.breakOff(half, 'cut');
  if (fault === 'hang_midstream') return call.hang(half);
  call.record.usageSent = hasUsage && fault !== 'malformed';
  await call.end(whole, 'completed');
}
