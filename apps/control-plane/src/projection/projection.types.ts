/** A row of the outbox: this key changed and Redis may not know yet. */
export interface PendingProjection {
  outboxId: string;
  accountId: string;
  keyId: string;
}

/** A key as a gateway knows it. */
export interface PresentedKey {
  accountTag: string;
  keyHash: string;
  /** Under the pepper before, while peppers are rotated. */
  previousKeyHash?: string | undefined;
}
