import { z } from 'zod';
import { endpointSchema } from './endpoint.js';
import { unixMsSchema } from './identity.js';
import { usageSchema } from './usage.js';

/**
 * How a call ended as the provider saw it.
 *
 * | outcome       | meaning                                                                    |
 * |---------------|----------------------------------------------------------------------------|
 * | `completed`   | the whole answer was handed to the operating system                        |
 * | `error`       | answered with status ≥ 400, or the connection was refused (`status` null)  |
 * | `cut`         | the provider broke its own answer off                                      |
 * | `client_gone` | the peer (the gateway) went away before the end                            |
 */
export const ORACLE_OUTCOMES = ['completed', 'error', 'cut', 'client_gone'] as const;

const tokensSchema = z.number().int().nonnegative();

/**
 * One line of the upstream simulator's own file: what it truly served, written by its own process and durable before the
 * last byte of the answer leaves, so that an audit can compare the product's books with an independent witness.
 * A second line with the same `id` replaces the first (the peer vanished while the last bytes were on their way).
 */
export const oracleRecordSchema = z.strictObject({
  v: z.literal(1),
  /** The simulator's own id of the call. */
  id: z.string().min(1).max(64),
  /** `x-request-id` of the incoming request: the gateway's request id. Null when the caller sent none. */
  gatewayRequestId: z.string().max(200).nullable(),
  /** Null when the body could not be read far enough to know. */
  model: z.string().max(256).nullable(),
  stream: z.boolean(),
  /** Absent in records of before there were others: chat completions. */
  endpoint: endpointSchema.optional(),
  /**
   * What was served in disjoint dimensions, split as finely as the provider knows it: whoever charges fewer dimensions
   * adds parts to their whole. Absent in older records, where the four counts below say the same.
   */
  quantities: usageSchema.optional(),
  /** Everything read: cached tokens and those written to the cache included. */
  promptTokens: tokensSchema,
  /** Part of `promptTokens`. */
  cachedTokens: tokensSchema,
  /** All choices together; for an answer that did not reach its end, what had been sent. Includes reasoning. */
  completionTokens: tokensSchema,
  /** Part of `completionTokens`. */
  reasoningTokens: tokensSchema,
  /** HTTP status, or null when no response head was sent. */
  status: z.number().int().nullable(),
  outcome: z.enum(ORACLE_OUTCOMES),
  /** Whether the answer carried a usage object. */
  usageSent: z.boolean(),
  /** Bytes of the response body, without transfer framing. */
  bytesSent: z.number().int().nonnegative(),
  startedAtMs: unixMsSchema,
  endedAtMs: unixMsSchema,
});
export type OracleRecord = z.infer<typeof oracleRecordSchema>;
