import type { AdmissionClient } from '@tensorloop/admission/admission-client';
import {
  type RpcFailure,
  type TotalsGetReply,
  type TotalsGetRequest,
  totalsGetReplySchema,
  totalsGetRequestSchema,
} from '@tensorloop/contracts/rpc';
import { BALANCE_SCOPE, type Scope } from '@tensorloop/contracts/settle-ack';
import { RPC } from '@tensorloop/contracts/subjects';
import { defineRpc, type RpcClient } from '@tensorloop/nest-kit/rpc';
import { askAgain } from './asked-again.js';

/** A spent balance is looked up no more often than this, per account: a credit takes effect within it. */
export const BALANCE_LOOKUP_MS = 1_000;
/** Accounts, or sets of scopes, whose last lookups are remembered; beyond it the longest forgotten one may be asked about again at once. */
export const LOOKUPS_MAX = 10_000;

/**
 * With the first total that Redis lacks of an account, all those that its other keys will need are fetched too, no more often than
 * this. After Redis was lost a key's first call would else need metering, and its database, perhaps minutes later.
 */
export const RECENT_LOOKUP_MS = 10_000;

/** What is left is not worth a longer wait to an answer that says it besides. */
export const SOON_MS = 500;
export const SOON_AGAIN_MS = 5_000;
/** Such questions under way at a time, so that those of calls find metering free. */
export const SOON_AT_ONCE_MAX = 32;

const totalsGet = defineRpc(RPC.meteringTotalsGet, totalsGetRequestSchema, totalsGetReplySchema);
const totalsGetOfAny = defineRpc(RPC.meteringTotalsGetOfAny, totalsGetRequestSchema, totalsGetReplySchema);

export interface TotalsWanted {
  accountTag: string;
  accountId: string;
  scopes: Scope[];
  /** Redis TIME of the refusal that made us ask: an answer to an older question may lack calls that are not pending any more. */
  askedAtMs: number;
}

/** Fetches committed totals from metering and writes them into Redis; once per set of scopes at a time. */
export class TotalsLookup {
  private readonly running = new Map<string, Promise<number | null>>();
  /** Account tag → when its balance was last asked for. Oldest first. */
  private readonly balanceAskedMs = new Map<string, number>();
  /** Name of a set of scopes → when somebody who can do without them was answered, or gave up. */
  private readonly soonAskedMs = new Map<string, number>();
  private soonRunning = 0;
  /** Account tag → when its recent scopes were last asked for. */
  private readonly recentAskedMs = new Map<string, number>();

  constructor(
    private readonly rpc: Pick<RpcClient, 'call'>,
    private readonly admission: AdmissionClient,
    private readonly soonMs: number = SOON_MS,
  ) {}

  /** True = Redis knows the totals now. */
  async seed(wanted: TotalsWanted): Promise<boolean> {
    return (await this.seedOnce(wanted)) !== null;
  }

  /** True = metering knew of a grant, or of spending, that Redis did not. */
  async learnBalance(wanted: Omit<TotalsWanted, 'scopes'>): Promise<boolean> {
    const { accountTag } = wanted;
    const whole = { ...wanted, scopes: [BALANCE_SCOPE] };
    // Calls that are refused while the question is on its way wait for the same answer.
    if (this.running.has(nameOf(whole))) return ((await this.seedOnce(whole)) ?? 0) > 0;
    if (!isDue(this.balanceAskedMs, accountTag, BALANCE_LOOKUP_MS)) return false;
    return ((await this.seedOnce(whole)) ?? 0) > 0;
  }

  /**
   * For somebody who can do without: waits no longer than SOON_MS, and not at all for what was asked for a moment ago: whoever lacks
   * it still will not get it by asking again. Nor while SOON_AT_ONCE_MAX others ask.
   */
  async seedSoon(wanted: TotalsWanted): Promise<boolean> {
    const name = nameOf(wanted);
    if (!isLongAgo(this.soonAskedMs, name, SOON_AGAIN_MS)) return false;
    const isAsked = this.running.has(name);
    if (!isAsked && this.soonRunning >= SOON_AT_ONCE_MAX) return false;
    const isSeeded = await soon(isAsked ? this.seed(wanted) : this.seedCounted(wanted), this.soonMs);
    noteNow(this.soonAskedMs, name);
    return isSeeded;
  }

  private async seedCounted(wanted: TotalsWanted): Promise<boolean> {
    this.soonRunning += 1;
    try {
      return await this.seed(wanted);
    } finally {
      this.soonRunning -= 1;
    }
  }

  /** Scopes that were news to Redis; null when it could not be told. */
  private seedOnce(wanted: TotalsWanted): Promise<number | null> {
    const name = nameOf(wanted);
    const running = this.running.get(name);
    if (running !== undefined) return running;
    const seeding = this.fetch(wanted).finally(() => this.running.delete(name));
    this.running.set(name, seeding);
    return seeding;
  }

  private async fetch({ accountTag, accountId, scopes, askedAtMs }: TotalsWanted): Promise<number | null> {
    // News of a balance are counted, and others must not be counted with them.
    const isWithRecent = !scopes.includes(BALANCE_SCOPE) && isDue(this.recentAskedMs, accountTag, RECENT_LOOKUP_MS);
    const request = { accountId, scopes };
    // The others in the first question only: they are the dear part, and whoever asks again needs what was lacking.
    const reply = await askAgain((timeoutMs, asked) =>
      asked === 0
        ? this.rpc.call(totalsGet, isWithRecent ? { ...request, isWithRecent } : request, { timeoutMs })
        : this.askAll(request, timeoutMs),
    );
    if (!reply.ok) {
      // Nothing was fetched: the next question asks for all of it again.
      if (isWithRecent) this.recentAskedMs.delete(accountTag);
      return null;
    }
    try {
      return await this.admission.seedTotals(accountTag, reply.totals, askedAtMs);
    } catch {
      return null;
    }
  }

  /** The question was put to one replica, and that one may stand still. A metering of the release before hears only that one. */
  private async askAll(request: TotalsGetRequest, timeoutMs: number): Promise<TotalsGetReply | RpcFailure> {
    const reply = await this.rpc.call(totalsGetOfAny, request, { timeoutMs });
    return !reply.ok && reply.code === 'rpc_unreachable' ? this.rpc.call(totalsGet, request, { timeoutMs }) : reply;
  }
}

/** True at most once in `intervalMs` for each name, and noted as now. */
function isDue(notedMs: Map<string, number>, name: string, intervalMs: number): boolean {
  if (!isLongAgo(notedMs, name, intervalMs)) return false;
  noteNow(notedMs, name);
  return true;
}

function isLongAgo(notedMs: ReadonlyMap<string, number>, name: string, intervalMs: number): boolean {
  return performance.now() - (notedMs.get(name) ?? Number.NEGATIVE_INFINITY) >= intervalMs;
}

function noteNow(notedMs: Map<string, number>, name: string): void {
  // Set anew, so that the first one is the longest forgotten.
  notedMs.delete(name);
  if (notedMs.size >= LOOKUPS_MAX) notedMs.delete(notedMs.keys().next().value as string);
  notedMs.set(name, performance.now());
}

/** False where it takes longer. */
function soon(work: Promise<boolean>, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), timeoutMs);
    const settle = (isDone: boolean) => {
      clearTimeout(timer);
      resolve(isDone);
    };
    work.then(settle, () => settle(false));
  });
}

function nameOf({ accountTag, scopes }: Pick<TotalsWanted, 'accountTag' | 'scopes'>): string {
  return `${accountTag} ${scopes.join(' ')}`;
}
