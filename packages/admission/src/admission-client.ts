import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import type { AccountSettled, ScopeTotal } from '@tensorloop/contracts/settle-ack';
import { DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';
import type { NanoUsd } from '@tensorloop/kernel/money';
import type { Redis } from 'ioredis';
import {
  AdmissionUnavailableError,
  type AdmitRequest,
  type AdmitResult,
  type OpenEpochResult,
  type Reassertion,
  type ReleaseResult,
  type SettleResult,
} from './admission.types.js';
import { type AdmitReply, parseAdmitReply, settledOf } from './admit-reply.js';
import { CallBatch } from './call-batch.js';
import { withDeadline } from './deadline.js';
import type { FoundKey } from './found-key.types.js';
import { type FoundKeyReply, parseFoundKey } from './found-key-reply.js';
import { projectionFields } from './projection-fields.js';
import { reassertChunks } from './reassertion.js';
import { accountKey, aliasesKey, keyPrefix, keysKey, openKey, projectionKey, scopesKey } from './redis-keys.js';
import { CALL_TIMEOUT_MS } from './redis-options.js';
import { RunIdWatch } from './run-id.js';
import { scriptAmount, scriptTotal } from './script-amount.js';
import { type RunScript, registerScripts, type ScriptValue } from './scripts.js';
import { parseSettled } from './settle-reply.js';
import { turnOf } from './turn.js';

/** Request ids per run of `acknowledge`, so that no run keeps Redis busy for more than about a millisecond. */
const ACKNOWLEDGE_IDS_MAX = 500;
/** A projection under an alias lives so long: who still goes by it asks again, and may have the key hashed again by then. */
export const ALIAS_MS = 60_000;
/** A list of aliases outlives the key by as much as any projection of it does, and more. */
const ALIASES_KEPT_MS = 2 * 24 * 60 * 60 * 1_000;

/** One rebuild to open the epoch of: the id `beginRebuild` gave, and the gateways that must have re-asserted. */
export interface EpochOpening {
  accountTag: string;
  rebuildId: string;
  expectedGatewayIds: readonly string[];
}

const NONE_ADMITTED: Promise<AdmitResult[]> = Promise.resolve([]);
const NONE_SETTLED: Promise<SettleResult[]> = Promise.resolve([]);
/** What `admit.lua` and `settle.lua` expect of one call, in their order. */
type CallArgs = ScriptValue[];

/** What a call came to. */
export interface Settling {
  amountNanoUsd: NanoUsd;
  /** Left out: what was counted at admission stays. */
  tokens?: number;
}

function totalArgs({ scope, totalNanoUsd, version, limitNanoUsd }: ScopeTotal): ScriptValue[] {
  const limit = limitNanoUsd === undefined ? '' : scriptTotal(BigInt(limitNanoUsd));
  return [scope, scriptTotal(BigInt(totalNanoUsd)), version, limit];
}

function admitArgs(request: AdmitRequest): CallArgs {
  return [
    request.requestId,
    request.keyHash,
    `${request.priceFromMs}|${request.priceToMs ?? ''}|${request.gatewayId}|${request.model}`,
    scriptAmount(request.holdNanoUsd, 'the hold'),
    scriptAmount(request.holdMinNanoUsd, 'the least hold'),
    request.tokens === undefined ? '0|0' : `${request.tokens.worst}|${request.tokens.least}`,
  ];
}

/**
 * Admission state in Redis, as typed calls. One per connection; every method is one script run (or a bounded number of
 * them), and every script is idempotent, so a caller may repeat any call. Admissions of one turn of the event loop share runs,
 * and so do settlements.
 *
 * A rejected promise of `admit` other than AdmissionUnavailableError leaves the outcome unknown: refuse the call, and
 * `release` its id once Redis answers again.
 */
export class AdmissionClient {
  private readonly run: RunScript;
  private readonly watch: RunIdWatch;
  private readonly calls: CallBatch<CallArgs, AdmitResult, SettleResult>;
  /** The day of the last admission, by Redis's clock: it spares the script to work out the date. -1: none yet. */
  private day = { number: -1, date: '' };

  /** `clock` is for tests alone: see `registerScripts`. `callTimeoutMs`: how long a client's call waits for Redis at most. */
  constructor(
    private readonly redis: Redis,
    clock?: string,
    private readonly callTimeoutMs: number = CALL_TIMEOUT_MS,
  ) {
    this.run = registerScripts(redis, clock);
    this.watch = new RunIdWatch(redis, callTimeoutMs);
    this.calls = new CallBatch(turnOf(redis), (tag, calls) => this.runCalls(tag, calls));
  }

  /** Run id of the Redis process behind the connection; null while it is unknown. */
  get runId(): string | null {
    return this.watch.runId;
  }

  /** Resolves when the run id is known; the next call then needs no I/O before it is sent. Else AdmissionUnavailableError. */
  async connected(): Promise<void> {
    await this.knownRunId();
  }

  async admit(request: AdmitRequest): Promise<AdmitResult> {
    const args = admitArgs(request);
    if (this.watch.runId === null) await this.knownRunId();
    return this.calls.admit(request.accountTag, args);
  }

  /** The hold becomes what the call cost. */
  settle(accountTag: string, requestId: string, amountNanoUsd: NanoUsd): Promise<SettleResult> {
    return this.settleWithTokens(accountTag, requestId, { amountNanoUsd });
  }

  /** As `settle`, and the tokens that the call counts against its key's limit become those that it used. */
  async settleWithTokens(accountTag: string, requestId: string, { amountNanoUsd, tokens }: Settling): Promise<SettleResult> {
    return this.calls.settle(accountTag, [requestId, scriptAmount(amountNanoUsd, 'the settled amount'), tokens ?? '']);
  }

  /** Gives a hold back: for a call of which metering will never hear. */
  async release(accountTag: string, requestId: string): Promise<ReleaseResult> {
    const reply = await this.run('release', [accountKey(accountTag), requestId]);
    const [outcome, amount] = reply as [ReleaseResult['outcome'], number];
    return { outcome, amountNanoUsd: BigInt(amount) };
  }

  /** Takes in metering's settle-ack. Returns how many pending amounts went. */
  async acknowledge(settled: AccountSettled): Promise<number> {
    const { accountTag: tag, requestIds } = settled;
    const totals = settled.totals.flatMap(totalArgs);
    let removed = 0;
    // The totals go along with each run: they cover every id, and a scope without its total would have to be fetched.
    for (let first = 0; first < requestIds.length; first += ACKNOWLEDGE_IDS_MAX) {
      const ids = requestIds.slice(first, first + ACKNOWLEDGE_IDS_MAX);
      const reply = await this.run('acknowledge', [accountKey(tag), settled.totals.length, ...totals, ...ids]);
      removed += (reply as [number, number])[0];
    }
    return removed;
  }

  /**
   * Writes totals fetched from metering. Returns the count written, or null when the account's epoch is not open.
   * `askedAtMs` is the `nowMs` of the refusal that made the caller ask: an answer to a question asked before the total
   * became unknown is dropped, because it may lack calls that are not pending here any more.
   */
  async seedTotals(accountTag: string, totals: readonly ScopeTotal[], askedAtMs?: number): Promise<number | null> {
    const args = totals.flatMap(totalArgs);
    const runId = await this.knownRunId();
    const keys = [accountKey(accountTag), scopesKey(accountTag), keyPrefix(accountTag), runId];
    const reply = await this.run('seed-totals', [...keys, askedAtMs ?? '', ...args]);
    return reply === -1 ? null : (reply as number);
  }

  /** Writes a key's projection unless Redis holds a newer one. Returns the version that Redis holds now. */
  async projectKey(projection: KeyProjection): Promise<number> {
    const tag = projection.accountTag;
    const args = [projectionKey(tag, projection.keyHash), keysKey(tag), projection.version, ...projectionFields(projection)];
    return (await this.run('project-key', args)) as number;
  }

  /**
   * Lists a hash as one that the key may be found by, beside its own. Before anything is written under it, so that whoever
   * changes the key afterwards knows what to remove, although the writer may have died.
   */
  async noteAlias({ accountTag, keyId, expiresAtMs }: KeyProjection, keyHash: string): Promise<void> {
    const name = aliasesKey(accountTag, keyId);
    await this.redis.sadd(name, keyHash);
    await this.redis.pexpireat(name, expiresAtMs + ALIASES_KEPT_MS);
  }

  /** Writes a projection under a hash that is listed as an alias. It is asked for again after ALIAS_MS. */
  async projectAlias(projection: KeyProjection): Promise<void> {
    await this.projectKey(projection);
    await this.redis.pexpire(projectionKey(projection.accountTag, projection.keyHash), ALIAS_MS);
  }

  /** Removes what Redis holds of the key under other hashes than these. */
  async forgetAliases({ accountTag, keyId }: KeyProjection, kept: readonly string[]): Promise<void> {
    const aliases = await this.redis.smembers(aliasesKey(accountTag, keyId));
    const names = aliases.filter((alias) => !kept.includes(alias)).map((alias) => projectionKey(accountTag, alias));
    if (names.length > 0) await this.redis.del(names);
  }

  /** Removes a projection under a hash that the key is not known by any more. */
  async forgetKey(accountTag: string, keyHash: string): Promise<void> {
    await this.redis.del(projectionKey(accountTag, keyHash));
  }

  /** Reads a key for calls that are not admitted, such as the model list, and what its limits leave. */
  async findKey(accountTag: string, keyHash: string): Promise<FoundKey> {
    const runId = await this.knownRunId();
    const reply = this.run('findKey', [accountKey(accountTag), runId, keyHash]);
    return parseFoundKey((await withDeadline(reply, this.callTimeoutMs)) as FoundKeyReply);
  }

  /**
   * Begins the rebuild of an account's state, or joins the one in progress. Returns the rebuild id to use, or null when the
   * epoch is open already. `freshId`: at most 64 characters, unique.
   */
  async beginRebuild(accountTag: string, freshId: string): Promise<string | null> {
    const runId = await this.knownRunId();
    const keys = [accountKey(accountTag), openKey(accountTag), scopesKey(accountTag), keysKey(accountTag)];
    const [outcome, rebuildId] = (await this.run('begin-rebuild', [...keys, keyPrefix(accountTag), runId, freshId])) as [
      string,
      string,
    ];
    return outcome === 'open' ? null : rebuildId;
  }

  /**
   * Writes this gateway's unacknowledged amounts again and marks that it did. Wait for the account's admissions in flight
   * first, or one whose reply is on its way is left out. Returns the entries added, or null when the rebuild is not the one
   * in progress.
   */
  async reassert(reassertion: Reassertion): Promise<number | null> {
    const tag = reassertion.accountTag;
    const runId = await this.knownRunId();
    const keys = [accountKey(tag), openKey(tag), scopesKey(tag), keyPrefix(tag), runId];
    const runs = reassertChunks(reassertion).map((chunk) =>
      this.run('reassert', [...keys, reassertion.rebuildId, reassertion.gatewayId, ...chunk]),
    );
    // Sent at once, hence in order on one connection: a settle issued after this call runs after every chunk.
    const counts = (await Promise.all(runs)) as number[];
    return counts.includes(-1) ? null : counts.reduce((sum, count) => sum + count, 0);
  }

  /** Opens the epoch once every expected gateway has re-asserted for this rebuild. */
  async openEpoch(opening: EpochOpening): Promise<OpenEpochResult> {
    const runId = await this.knownRunId();
    const reply = await this.run('open-epoch', [
      accountKey(opening.accountTag),
      runId,
      opening.rebuildId,
      ...opening.expectedGatewayIds,
    ]);
    const [outcome, openedAtMs, ...missingGatewayIds] = reply as [OpenEpochResult['outcome'], number, ...string[]];
    if (outcome === 'waiting') return { outcome, missingGatewayIds };
    return outcome === 'stale' ? { outcome } : { outcome, openedAtMs };
  }

  private runCalls(tag: string, { admissions, settlements }: { admissions: CallArgs[]; settlements: CallArgs[] }) {
    const { runId } = this.watch;
    if (admissions.length === 0) return { admitted: NONE_ADMITTED, settled: this.settleCalls(tag, settlements) };
    // The connection was lost in this very turn: nothing has been sent.
    if (runId === null) {
      const admitted = Promise.reject(new AdmissionUnavailableError());
      return { admitted, settled: settlements.length === 0 ? NONE_SETTLED : this.settleCalls(tag, settlements) };
    }
    const { number, date } = this.day;
    const args: ScriptValue[] = [accountKey(tag), runId, number, date, settlements.length];
    for (const call of settlements) args.push(...call);
    for (const call of admissions) args.push(...call);
    const reply = this.run('admit', args) as Promise<AdmitReply>;
    const settled = settlements.length === 0 ? NONE_SETTLED : reply.then((given) => parseSettled(settledOf(given)));
    // Only who waits to be admitted has little time.
    return { admitted: withDeadline(reply, this.callTimeoutMs).then((given) => this.parseAdmitted(given)), settled };
  }

  private parseAdmitted(reply: AdmitReply): AdmitResult[] {
    const { nowMs, results } = parseAdmitReply(reply);
    this.noteDay(nowMs);
    return results;
  }

  private noteDay(nowMs: number): void {
    const number = Math.floor(nowMs / DAY_MS);
    if (number !== this.day.number) this.day = { number, date: utcDay(nowMs) };
  }

  private async settleCalls(tag: string, calls: CallArgs[]): Promise<SettleResult[]> {
    const args: ScriptValue[] = [accountKey(tag)];
    for (const call of calls) args.push(...call);
    return parseSettled((await this.run('settle', args)) as string);
  }

  private async knownRunId(): Promise<string> {
    const runId = this.watch.runId ?? (await this.watch.read());
    if (runId === null) throw new AdmissionUnavailableError();
    return runId;
  }
}
