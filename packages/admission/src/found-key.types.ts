import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { LimitsLeft } from './admission.types.js';

/** What is known of a key that was looked up, and why it was not found. */
export type FoundKey =
  | {
      found: true;
      nowMs: number;
      keyId: string;
      accountId: string;
      /** "*" = every model. */
      models: string[];
      left: LimitsLeft;
      /** Fetch these totals from metering and seed them to learn all that is left. */
      unknownScopes: Scope[];
    }
  | { found: false; reason: 'unknown_epoch' | 'unknown_key' | 'key_revoked' | 'key_expired'; nowMs: number };
