import { z } from 'zod';
import { endpointSchema } from './endpoint.js';
import { gatewayIdSchema, unixMsSchema, uuid7Schema } from './identity.js';
import { tagsSchema } from './tags.js';

/** Refusals of one message: what a gateway remembers between two of them, and no more. */
export const REFUSALS_PER_MESSAGE_MAX = 256;

const MODEL_LENGTH_MAX = 128;
const REPLACEMENT = '\u{fffd}';

/**
 * A model's name that a client made up, as it can be written down. PostgreSQL takes neither NUL nor half a surrogate pair, and
 * nobody should see control characters; they are replaced and not left out, lest the name become that of another model.
 */
export function refusedModel(text: string): string {
  const isPairCut =
    /[\ud800-\udbff]/.test(text.charAt(MODEL_LENGTH_MAX - 1)) && /[\udc00-\udfff]/.test(text.charAt(MODEL_LENGTH_MAX));
  const cut = text.slice(0, isPairCut ? MODEL_LENGTH_MAX - 1 : MODEL_LENGTH_MAX);
  return cut.toWellFormed().replace(/\p{Cc}/gu, REPLACEMENT);
}

/** Refusals of one key, model and reason within a moment. */
export const refusalSchema = z.object({
  /** Of the last of them, as it stood in its answer's `x-request-id`. */
  requestId: uuid7Schema,
  accountId: uuid7Schema,
  keyId: uuid7Schema,
  /** As the client named it, which need not be a model that exists; empty where the body could not be read. */
  model: z.string().transform(refusedModel),
  endpoint: endpointSchema,
  /** `error.code` of the answer, and its status. */
  code: z.string().min(1).max(64),
  httpStatus: z.number().int(),
  count: z.number().int().positive(),
  firstAtMs: unixMsSchema,
  lastAtMs: unixMsSchema,
  /** As in `request.completed.v1`, of the last of them. What cannot be read is left out. */
  projectId: uuid7Schema.optional().catch(undefined),
  tags: tagsSchema.optional().catch(undefined),
});
export type Refusal = z.infer<typeof refusalSchema>;

/**
 * `request.refused.v1`: calls of known keys that were not admitted, gathered for about a second. Best effort: nothing is owed
 * for a refusal, so it is published once, may be lost, and is outside the audit.
 */
export const requestRefusedSchema = z.object({
  v: z.literal(1),
  gatewayId: gatewayIdSchema,
  refusals: z.array(refusalSchema).min(1).max(REFUSALS_PER_MESSAGE_MAX),
});
export type RequestRefused = z.infer<typeof requestRefusedSchema>;
