import type { IncomingMessage } from 'node:http';
import type { LimitState, RateLeft } from '@tensorloop/admission/admission.types';
import {
  type KeyStatus,
  type KeyStatusResult,
  type ProjectStatus,
  type RateStatus,
  readKeyStatus,
} from '@tensorloop/admission/key-status';
import { formatUsd } from '@tensorloop/kernel/money';
import type { Redis } from 'ioredis';
import type { AdmissionGate, KeyIdentity } from '../admission/admission-gate.service.js';
import { left, leftHeaders, type OwnKey, withLeft } from '../admission/limits-left.service.js';
import type { KeyHasher } from '../auth/key-hasher.service.js';
import { type ApiError, isApiError, unavailable } from '../errors/api-error.types.js';
import { type JsonAnswer, type Reply, sendJson } from '../errors/send-json.service.js';
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

/** `GET /v1/key`: what the key that asks may do, what it has spent, what is held and left, and when that resets. */
export class KeyView {
  constructor(private readonly parts: KeyViewParts) {}

  async get(req: IncomingMessage, reply: Reply): Promise<void> {
    sendJson(reply, await this.read(req));
  }

  private async read(req: IncomingMessage): Promise<JsonAnswer | ApiError> {
    const bearer = readAnthropicKey(req.headers);
    if (isApiError(bearer)) return bearer;
    const identity = { accountTag: bearer.accountTag, keyHash: this.parts.hasher.hash(bearer.keyText) };
    let key = await this.parts.gate.findKey(identity);
    for (let read = 1; !isApiError(key); read++) {
      const result = await readKeyStatus(this.parts.redis, identity, key.nowMs).catch(() => null);
      if (result !== null && read < READS_MAX && (await this.hasNews(identity, key, result))) {
        // Anew as well, so that both are of nearly the same instant.
        key = await this.parts.gate.findKey(identity);
        continue;
      }
      if (result?.known) return { content: toView(result.status, key.models), headers: headersFor(result.status, key) };
      const message = 'What this key has spent is not known at the moment.';
      return withLeft(unavailable('admission_state_unknown', message, RETRY_SECONDS), key);
    }
    return key;
  }

  /** Asks metering for what Redis lacks; and for a balance in any case, so that a credit made a moment ago is seen. */
  private async hasNews({ accountTag }: KeyIdentity, { accountId, nowMs }: OwnKey, result: KeyStatusResult): Promise<boolean> {
    const about = { accountTag, accountId, askedAtMs: nowMs };
    if (result.known) return result.status.balance !== null && this.parts.gate.refreshBalance(about);
    return result.scopes.length > 0 && this.parts.gate.fetchTotals({ ...about, scopes: result.scopes });
  }
}

/** As the body has it. When no call counts any more is not in there, and as it was found just before. */
function headersFor({ rpm, accountRpm, budget, window, daily, balance, project }: KeyStatus, { left: found, nowMs }: OwnKey) {
  const own = { ...found.rpm, ...placesOf(rpm) };
  const ofAccount = accountRpm === null || found.accountRpm === null ? null : { ...found.accountRpm, ...placesOf(accountRpm) };
  const money = { budget, budgetResetMs: window.endMs - nowMs, daily, balance, projectBudget: project?.budget ?? null };
  return leftHeaders({ rpm: own, accountRpm: ofAccount, ...money }, nowMs);
}

function placesOf({ limit, used }: RateStatus): Pick<RateLeft, 'limit' | 'remaining'> {
  return { limit, remaining: Math.max(0, limit - used) };
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
function rate(status: RateStatus) {
  const { limit, used, nextPlaceAtMs } = status;
  const next_place_at = nextPlaceAtMs === null ? null : instant(nextPlaceAtMs);
  return { limit, used, remaining: placesOf(status).remaining, window_seconds: RATE_WINDOW_SECONDS, next_place_at };
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
