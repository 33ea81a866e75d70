import type { BeforeApplicationShutdown } from '@nestjs/common';
import type { Endpoint } from '@tensorloop/contracts/endpoint';
import {
  REFUSALS_PER_MESSAGE_MAX,
  type Refusal,
  type RequestRefused,
  refusedModel,
} from '@tensorloop/contracts/request-refused';
import type { ApiError } from '../errors/api-error.types.js';

/** Refusals are gathered for so long, and then told in one message. */
export const TELL_INTERVAL_MS = 1_000;
/** Rows of one key that name a model, in one message; its further ones name none, so that others have room. */
export const NAMED_PER_KEY_MAX = 16;
const CODE_LENGTH_MAX = 64;
/** Of all tags in one message. A server of NATS takes 1 MiB by default, and its client throws at what is larger. */
export const TAG_BYTES_PER_MESSAGE_MAX = 512 * 1024;

export interface RefusalEventsParts {
  gatewayId: string;
  /** Publishes one message, or returns false when it cannot. */
  tell: (refused: RequestRefused) => boolean;
  nowMs: () => number;
  /** Told how many refusals nobody will hear of. */
  onDropped: (count: number) => void;
}

/** Which call was refused. */
export interface RefusedCall {
  requestId: string;
  endpoint: Endpoint;
}

/**
 * Tells metering of refused calls whose key is known: best effort, and bounded in memory and in messages whatever clients do,
 * since they are gathered by key, model and reason. A call that is admitted never comes here.
 */
export class RefusalEvents implements BeforeApplicationShutdown {
  private gathered = new Map<string, Refusal>();
  /** Rows that name a model, by key. */
  private named = new Map<string, number>();
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly parts: RefusalEventsParts) {}

  note(error: ApiError, { requestId, endpoint }: RefusedCall): void {
    if (error.caller === undefined) return;
    const { accountId, keyId, projectId, tags } = error.caller;
    const code = (error.body.error.code ?? 'refused').slice(0, CODE_LENGTH_MAX);
    const kind = { keyId, code, endpoint, model: refusedModel(error.caller.model ?? '') };
    const nowMs = this.parts.nowMs();
    const isNew = !this.gathered.has(nameOf(kind));
    const named = this.named.get(keyId) ?? 0;
    if (isNew && named >= NAMED_PER_KEY_MAX) kind.model = '';
    const known = this.gathered.get(nameOf(kind));
    if (known !== undefined) {
      known.count += 1;
      known.requestId = requestId;
      known.lastAtMs = nowMs;
      known.projectId = projectId;
      known.tags = tags;
    } else if (this.gathered.size >= REFUSALS_PER_MESSAGE_MAX) this.parts.onDropped(1);
    else {
      const times = { firstAtMs: nowMs, lastAtMs: nowMs };
      this.gathered.set(nameOf(kind), {
        requestId,
        accountId,
        ...kind,
        httpStatus: error.status,
        count: 1,
        ...times,
        projectId,
        tags,
      });
      if (kind.model !== '') this.named.set(keyId, named + 1);
      this.timer ??= setTimeout(() => this.tell(), TELL_INTERVAL_MS).unref();
    }
  }

  beforeApplicationShutdown(): void {
    this.tell();
  }

  private tell(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const refusals = [...this.gathered.values()];
    this.gathered = new Map();
    this.named = new Map();
    if (refusals.length === 0) return;
    if (this.isTold({ v: 1, gatewayId: this.parts.gatewayId, refusals: withTagsThatFit(refusals) })) return;
    this.parts.onDropped(refusals.reduce((sum, { count }) => sum + count, 0));
  }

  /** Nothing that goes wrong here may end the process, which calls are running in. */
  private isTold(refused: RequestRefused): boolean {
    try {
      return this.parts.tell(refused);
    } catch {
      return false;
    }
  }
}

function withTagsThatFit(refusals: readonly Refusal[]): Refusal[] {
  let bytesLeft = TAG_BYTES_PER_MESSAGE_MAX;
  return refusals.map((refusal) => {
    if (refusal.tags === undefined) return refusal;
    bytesLeft -= Buffer.byteLength(JSON.stringify(refusal.tags));
    return bytesLeft >= 0 ? refusal : { ...refusal, tags: undefined };
  });
}

function nameOf({ keyId, code, endpoint, model }: Pick<Refusal, 'keyId' | 'code' | 'endpoint' | 'model'>): string {
  return `${keyId} ${code} ${endpoint} ${model}`;
}
