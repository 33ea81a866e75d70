import { z } from 'zod';
import { accountTagSchema, gatewayIdSchema, unixMsSchema } from './identity.js';

/** Heartbeat of a live gateway: JetStream KV bucket `gateways`, key = gateway id, every HEARTBEAT_MS. */
export const HEARTBEAT_MS = 5_000;
/** A gateway silent for this long is fenced: nobody waits for it any more. */
export const FENCE_AFTER_MS = 30_000;

export const gatewayHeartbeatSchema = z.object({
  v: z.literal(1),
  gatewayId: gatewayIdSchema,
  startedAtMs: unixMsSchema,
  beatAtMs: unixMsSchema,
  /** Of the process: two that beat under one id are told apart by it. */
  instanceId: z.string().max(64).optional(),
  /** Of the journal folder: a restart has the same one, another gateway that was given the same id has not. */
  journalId: z.string().max(64).optional(),
});
export type GatewayHeartbeat = z.infer<typeof gatewayHeartbeatSchema>;

/**
 * `gateway.reassert.v1` (core NATS request to all): "write your unacknowledged amounts of this account into Redis again,
 * and mark this rebuild". Every live gateway replies once its script has run.
 */
export const reassertRequestSchema = z.object({
  v: z.literal(1),
  accountTag: accountTagSchema,
  rebuildId: z.string().min(1).max(64),
  runId: z.string().min(1).max(64),
});
export type ReassertRequest = z.infer<typeof reassertRequestSchema>;
export const reassertReplySchema = z.object({
  v: z.literal(1),
  gatewayId: gatewayIdSchema,
  asserted: z.number().int().nonnegative(),
});
export type ReassertReply = z.infer<typeof reassertReplySchema>;
