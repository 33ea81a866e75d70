import type { Scope } from '@tensorloop/contracts/settle-ack';
import type { Redis } from 'ioredis';
import type { AccountState, OpenEntry, ScopeState } from './admission.types.js';
import { parseOpenEntry } from './open-entry.js';
import { ACCOUNT_KEY_GLOB, accountKey, openKey, scopeKey, scopesKey, tagOfAccountKey } from './redis-keys.js';

/** Entries asked for per SCAN or HSCAN step: Redis serves other clients in between. */
const SCAN_STEP = 500;

/**
 * Reads the admission state without changing it: for the audit, and for a gateway that looks for holds it left behind. It
 * reads in several steps, so on a busy account the parts may be of different instants.
 */
export class AdmissionView {
  constructor(private readonly redis: Redis) {}

  /** Tags of all accounts that have state here. One may be named twice when Redis resizes meanwhile. */
  async *listAccountTags(): AsyncGenerator<string> {
    let cursor = '0';
    do {
      const [next, keys] = await this.redis.scan(cursor, 'MATCH', ACCOUNT_KEY_GLOB, 'COUNT', SCAN_STEP);
      for (const key of keys) yield tagOfAccountKey(key);
      cursor = next;
    } while (cursor !== '0');
  }

  /** Everything pending in an account, held and settled. */
  async listOpen(accountTag: string): Promise<OpenEntry[]> {
    const entries = new Map<string, OpenEntry>();
    let cursor = '0';
    do {
      const [next, fields] = await this.redis.hscan(openKey(accountTag), cursor, 'COUNT', SCAN_STEP);
      for (let index = 0; index < fields.length; index += 2) {
        const requestId = fields[index] as string;
        entries.set(requestId, parseOpenEntry(requestId, fields[index + 1] as string));
      }
      cursor = next;
    } while (cursor !== '0');
    return [...entries.values()];
  }

  /** What one gateway has pending: at its restart it releases the holds that never reached its journal. */
  async listOwnedOpen(accountTag: string, gatewayId: string): Promise<OpenEntry[]> {
    return (await this.listOpen(accountTag)).filter((entry) => entry.gatewayId === gatewayId);
  }

  async inspect(accountTag: string): Promise<AccountState> {
    const [epoch, openedMs] = await this.redis.hmget(accountKey(accountTag), 'epoch', 'epochOpenedMs');
    const names = (await this.redis.smembers(scopesKey(accountTag))).sort() as Scope[];
    const scopes = await Promise.all(names.map((scope) => this.scopeState(accountTag, scope)));
    return {
      accountTag,
      epoch: epoch ?? null,
      epochOpenedMs: openedMs ? Number(openedMs) : null,
      scopes,
      open: await this.listOpen(accountTag),
    };
  }

  private async scopeState(accountTag: string, scope: Scope): Promise<ScopeState> {
    const [total, version, held, settled, limit, calls] = await this.redis.hmget(
      scopeKey(accountTag, scope),
      'total',
      'version',
      'held',
      'settled',
      'limit',
      'calls',
    );
    return {
      scope,
      totalNanoUsd: total ? BigInt(total) : null,
      version: version ? Number(version) : null,
      heldNanoUsd: BigInt(held ?? '0'),
      settledNanoUsd: BigInt(settled ?? '0'),
      limitNanoUsd: limit ? BigInt(limit) : null,
      callsInFlight: Number(calls ?? '0'),
    };
  }
}
