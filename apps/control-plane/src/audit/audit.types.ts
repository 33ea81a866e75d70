/** Who acted. `label` is what a reader is shown, as it was then: an address, a token's name. */
export interface AuditActor {
  kind: 'user' | 'token' | 'operator' | 'system';
  id: string | null;
  label: string;
}

export interface AuditEvent {
  accountId: string;
  /** "key.minted": the noun, and what happened to it. */
  action: string;
  subject: { kind: string; id: string };
  /** What a reader must know to understand the change: before and after, never a secret. At most 8 kB as JSON. */
  details?: Record<string, unknown>;
  /** When it is not the caller of the request: a user who signs in, a job. */
  actor?: AuditActor;
}
