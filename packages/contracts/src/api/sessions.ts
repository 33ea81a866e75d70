import { z } from 'zod';
import { completeListSchemaOf } from './pages.js';

/** Where a user is signed in. */

const instantSchema = z.iso.datetime();

export const SESSION_METHODS = ['password', 'google', 'code'] as const;

export const sessionSchema = z.object({
  id: z.uuid(),
  /** The one that asks. */
  isCurrent: z.boolean(),
  method: z.enum(SESSION_METHODS),
  /** As the browser called itself; null where it says nothing that is known. */
  device: z.object({ browser: z.string().nullable(), system: z.string().nullable() }),
  /** The network it was begun from, "203.0.113.0/24"; empty where that is not known. */
  network: z.string(),
  createdAt: instantSchema,
  /** Written down every five minutes at most. */
  lastSeenAt: instantSchema,
  /** When it ends unless it is used, or ends in any case. */
  expiresAt: instantSchema,
});
export type Session = z.infer<typeof sessionSchema>;

/** All of them: a user has 50 at most. */
export const sessionListSchema = completeListSchemaOf(sessionSchema);
export type SessionList = z.infer<typeof sessionListSchema>;

export const sessionParamsSchema = z.strictObject({ id: z.uuid() });
export type SessionParams = z.infer<typeof sessionParamsSchema>;

export const sessionsRevokedSchema = z.object({ revoked: z.number().int() });
export type SessionsRevoked = z.infer<typeof sessionsRevokedSchema>;
