import type { AdmissionClient } from '@tensorloop/admission/admission-client';
import { totalsGetReplySchema, totalsGetRequestSchema } from '@tensorloop/contracts/rpc';
import type { Scope } from '@tensorloop/contracts/settle-ack';
import { RPC } from '@tensorloop/contracts/subjects';
import { defineRpc, type RpcClient } from '@tensorloop/nest-kit/rpc';

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
  private readonly running = new Map<string, Promise<boolean>>();

  constructor(
    private readonly rpc: Pick<RpcClient, 'call'>,
    private readonly admission: AdmissionClient,
  ) {}

  /** True = Redis knows the totals now. */
  seed(wanted: TotalsWanted): Promise<boolean> {
    const name = `${wanted.accountTag} ${wanted.scopes.join(' ')}`;
    const running = this.running.get(name);
    if (running !== undefined) return running;
    const seeding = this.fetch(wanted).finally(() => this.running.delete(name));
    this.running.set(name, seeding);
    return seeding;
  }

  private async fetch({ accountTag, accountId, scopes, askedAtMs }: TotalsWanted): Promise<boolean> {
    const reply = await this.rpc.call(totalsGet, { accountId, scopes });
    if (!reply.ok) return false;
    try {
      return (await this.admission.seedTotals(accountTag, reply.totals, askedAtMs)) !== null;
    } catch {
      return false;
    }
  }
}
