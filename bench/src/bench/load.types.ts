import type { Target } from './bench.types.js';

export const CHAT_PATH = '/v1/chat/completions';
/** A slower answer than this counts as failed. */
export const CALL_TIMEOUT_SECONDS = 10;

export interface Load {
  target: Target;
  body: string;
  connections: number;
  seconds: number;
  /** Mean pause of a connection between two calls; 0 = none, as fast as it goes. */
  pauseMs: number;
  /** Where the script may be written. */
  folder: string;
}
