import { keyProjectReplySchema, keyProjectRequestSchema } from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { defineRpc, type RpcClient } from '@tensorloop/nest-kit/rpc';

/** How long "no such key" is believed. A minted key is in Redis before its mint answers, so this delays nobody. */
export const ABSENT_TTL_MS = 5_000;
export const ABSENT_ENTRIES_MAX = 10_000;
/** Lookups in progress; a flood of made-up keys must not become a flood on the control plane. */
export const LOOKUPS_MAX = 100;

const projectKey = defineRpc(RPC.controlKeyProject, keyProjectRequestSchema, keyProjectReplySchema);

export type KeyLookupResult = 'projected' | 'absent' | 'unavailable';

/** Asks the control plane about keys that Redis does not know: once per key at a time, with a short memory for "no". */
export class KeyLookup {
  private readonly running = new Map<string, Promise<KeyLookupResult>>();
  /** Key hash → until when it is believed absent. Oldest first. */
  private readonly absent = new Map<string, number>();

  constructor(
    private readonly rpc: Pick<RpcClient, 'call'>,
    /** While peppers are rotated: by which hash the key may still be known. */
    private readonly previousHashOf: (keyHash: string) => string | undefined = () => undefined,
  ) {}

  /** `projected`: Redis holds the key's projection now. */
  lookUp(accountTag: string, keyHash: string): Promise<KeyLookupResult> {
    const absentUntilMs = this.absent.get(keyHash);
    if (absentUntilMs !== undefined && performance.now() < absentUntilMs) return Promise.resolve('absent');
    const running = this.running.get(keyHash);
    if (running !== undefined) return running;
    if (this.running.size >= LOOKUPS_MAX) return Promise.resolve('unavailable');
    const lookup = this.ask(accountTag, keyHash).finally(() => this.running.delete(keyHash));
    this.running.set(keyHash, lookup);
    return lookup;
  }

  private async ask(accountTag: string, keyHash: string): Promise<KeyLookupResult> {
    const previousKeyHash = this.previousHashOf(keyHash);
    const asked = previousKeyHash === undefined ? { accountTag, keyHash } : { accountTag, keyHash, previousKeyHash };
    const reply = await this.rpc.call(projectKey, asked);
    if (!reply.ok) return 'unavailable';
    this.absent.delete(keyHash);
    if (reply.found) return 'projected';
    if (this.absent.size >= ABSENT_ENTRIES_MAX) this.absent.delete(this.absent.keys().next().value as string);
    this.absent.set(keyHash, performance.now() + ABSENT_TTL_MS);
    return 'absent';
  }
}
