import { type Session, sessionSchema } from '@tensorloop/contracts/api/sessions';
import { deviceOf } from './device.rules.js';
import type { SessionRow } from './sessions.repository.js';

export function toSession(row: SessionRow, currentId: string): Session {
  return {
    id: row.id,
    isCurrent: row.id === currentId,
    method: sessionSchema.shape.method.parse(row.authMethod),
    device: deviceOf(row.userAgent),
    network: row.ipPrefix,
    createdAt: row.createdAt.toISOString(),
    lastSeenAt: row.lastSeenAt.toISOString(),
    expiresAt: new Date(Math.min(row.idleExpiresAt.getTime(), row.absoluteExpiresAt.getTime())).toISOString(),
  };
}
