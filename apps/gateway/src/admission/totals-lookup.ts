import type { AdmissionClient } from '@tensorloop/admission/admission-client';
import { totalsGetReplySchema, totalsGetRequestSchema } from '@tensorloop/contracts/rpc';
import { BALANCE_SCOPE, type Scope } from '@tensorloop/contracts/settle-ack';
import { RPC } from '@tensorloop/contracts/subjects';
import { defineRpc, type RpcClient } from '@tensorloop/nest-kit/rpc';

/** A spent balance is looked up no more often than this, per account: a credit takes effect within it. */
export const BALANCE_LOOKUP_MS = 1_000;
/** Accounts whose last lookup is remembered; beyond it the longest forgotten one may be asked about again at once. */
export const BALANCE_LOOKUPS_MAX = 10_000;

const totalsGet = defineRpc(RPC.meteringTotalsGet, totalsGetRequestSchema, totalsGetReplySchema);

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

  constructor(
    private readonly rpc: Pick<RpcClient, 'call'>,
    private readonly admission: AdmissionClient,
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
    const now = performance.now();
    if (now - (this.balanceAskedMs.get(accountTag) ?? Number.NEGATIVE_INFINITY) < BALANCE_LOOKUP_MS) return false;
    this.balanceAskedMs.delete(accountTag);
    if (this.balanceAskedMs.size >= BALANCE_LOOKUPS_MAX) {
      this.balanceAskedMs.delete(this.balanceAskedMs.keys().next().value as string);
    }
    this.balanceAskedMs.set(accountTag, now);
    return ((await this.seedOnce(whole)) ?? 0) > 0;
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
    const reply = await this.rpc.call(totalsGet, { accountId, scopes });
    if (!reply.ok) return null;
    try {
      return await this.admission.seedTotals(accountTag, reply.totals, askedAtMs);
    } catch {
      return null;
    }
  }
}

function nameOf({ accountTag, scopes }: Pick<TotalsWanted, 'accountTag' | 'scopes'>): string {
  return `${accountTag} ${scopes.join(' ')}`;
}
