/** A row of the outbox: this key changed and Redis may not know yet. */
export interface PendingProjection {
  outboxId: string;
  accountId: string;
  keyId: string;
}
