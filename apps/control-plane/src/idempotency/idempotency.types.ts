/** One request out of those that carry the same key: who sends it, where to, and with which body. */
export interface IdempotentRequest {
  accountId: string;
  /** The user, or the management token. */
  actorId: string;
  /** "POST /api/keys", with ids that stand in the path: `routeName`. */
  route: string;
  key: string;
  /** SHA-256 of the body, hex. */
  bodyHash: string;
}

/** The primary key of its row. */
export function idOf({ accountId, actorId, route, key }: IdempotentRequest) {
  return { accountId, actorId, route, key };
}

/** The right to carry a request out. `reservedAt` tells it from an earlier one that was given up. */
export interface Reservation extends IdempotentRequest {
  reservedAt: Date;
}

/** What is known of the requests with a key. */
export interface KnownRequest {
  bodyHash: string;
  reservedAt: Date;
  /** Null while the effect has not been committed. */
  answer: RecordedAnswer | null;
  /** False while the effect may still be undone, and the answer withdrawn. */
  isFinal: boolean;
}

export interface RecordedAnswer {
  status: number;
  /** Without secrets. */
  body: unknown;
}
