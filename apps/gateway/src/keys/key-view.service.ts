import type { IncomingMessage } from 'node:http';
import type { FoundKey, LimitState } from '@tensorloop/admission/admission.types';
import { type KeyStatus, type ProjectStatus, type RateStatus, readKeyStatus } from '@tensorloop/admission/key-status';
import { formatUsd } from '@tensorloop/kernel/money';
import type { Redis } from 'ioredis';
import type { AdmissionGate, KeyIdentity } from '../admission/admission-gate.service.js';
import { left } from '../admission/refusals.service.js';
import type { KeyHasher } from '../auth/key-hasher.service.js';
import { type ApiError, isApiError, unavailable } from '../errors/api-error.types.js';
import { type Reply, sendJson } from '../errors/send-json.service.js';
import { readAnthropicKey } from '../messages/messages.service.js';

/** One read, and one more after the totals that it lacked were fetched. */
const READS_MAX = 2;
const RETRY_SECONDS = 1;
const RATE_WINDOW_SECONDS = 60;

export interface KeyViewParts {
  hasher: KeyHasher;
  gate: AdmissionGate;
  redis: Redis;
}

type OwnKey = Extract<FoundKey, { found: true }>;

/** `GET /v1/key`: what the key that asks may do, what it has spent, what is held and left, and when that resets. */
export class KeyView {
  constructor(private readonly parts: KeyViewParts) {}

  async get(req: IncomingMessage, reply: Reply): Promise<void> {
    sendJson(reply, await this.read(req));
  }

  private async read(req: IncomingMessage): Promise<object | ApiError> {
    const bearer = readAnthropicKey(req.headers);
    if (isApiError(bearer)) return bearer;
    const identity = { accountTag: bearer.accountTag, keyHash: this.parts.hasher.hash(bearer.keyText) };
    const key = await this.parts.gate.findKey(identity);
    if (isApiError(key)) return key;
    const status = await this.statusOf(identity, key).catch(() => null);
    if (status !== null) return toView(status, key.models);
    return unavailable('admission_state_unknown', 'What this key has spent is not known at the moment.', RETRY_SECONDS);
  }

  private async statusOf(identity: KeyIdentity, { accountId, nowMs }: OwnKey): Promise<KeyStatus | null> {
    const { redis, gate } = this.parts;
    const about = { accountTag: identity.accountTag, accountId, askedAtMs: nowMs };
    for (let read = 1; read <= READS_MAX; read++) {
      const result = await readKeyStatus(redis, identity, nowMs);
      if (!result.known) {
        if (result.scopes.length === 0 || !(await gate.fetchTotals({ ...about, scopes: result.scopes }))) return null;
      } else if (result.status.balance === null || read === READS_MAX || !(await gate.refreshBalance(about))) {
        // A balance is asked about once, so that a credit made a moment ago is seen.
        return result.status;
      }
    }
    return null;
  }
}

function instant(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

function money(state: LimitState, limitName: 'limit_usd' | 'granted_usd' = 'limit_usd') {
  return {
    [limitName]: formatUsd(state.limitNanoUsd),
    spent_usd: formatUsd(state.spentNanoUsd),
    held_usd: formatUsd(state.heldNanoUsd),
    left_usd: formatUsd(left(state)),
  };
}

/** `next_place_at`: when more is left than now, as what counts leaves the window; null while nothing counts. */
function rate({ limit, used, nextPlaceAtMs }: RateStatus) {
  const next_place_at = nextPlaceAtMs === null ? null : instant(nextPlaceAtMs);
  return { limit, used, remaining: Math.max(0, limit - used), window_seconds: RATE_WINDOW_SECONDS, next_place_at };
}

function projectView({ id, name, window, budget }: ProjectStatus) {
  const limits =
    budget === null ? null : { ...money(budget), window_start: instant(window.startMs), resets_at: instant(window.endMs) };
  return { id, name, budget: limits };
}

function toView(status: KeyStatus, models: string[]) {
  const { window, daily, balance, tokens, parallel, accountRpm, project } = status;
  return {
    object: 'key',
    id: status.keyId,
    account_kind: status.accountKind,
    minted_at: instant(status.mintedAtMs),
    expires_at: instant(status.expiresAtMs),
    models,
    requests_per_minute: rate(status.rpm),
    account_requests_per_minute: accountRpm === null ? null : rate(accountRpm),
    tokens_per_minute: tokens === null ? null : rate(tokens),
    parallel_calls: parallel === null ? null : { limit: parallel.limit, in_flight: parallel.inFlight },
    budget: { ...money(status.budget), window_start: instant(window.startMs), resets_at: instant(window.endMs) },
    daily_limit: daily === null ? null : { ...money(daily), resets_at: instant(status.dayEndMs) },
    balance: balance === null ? null : money(balance, 'granted_usd'),
    project: project === null ? null : projectView(project),
  };
}
