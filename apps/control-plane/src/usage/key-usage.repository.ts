import { Inject, Injectable } from '@nestjs/common';
import { readScopeUse, type ScopeUse } from '@tensorloop/admission/scope-use';
import type { Scope } from '@tensorloop/contracts/settle-ack';
import { ControlClient } from '@tensorloop/db/control-client';
import { Redis } from 'ioredis';

/** Tags remembered; they never change. The memory is dropped beyond it rather than grown. */
const TAGS_REMEMBERED_MAX = 10_000;

/** What admission holds of an account's keys. */
@Injectable()
export class KeyUsageRepository {
  private readonly tags = new Map<string, string>();

  constructor(
    @Inject(ControlClient) private readonly control: ControlClient,
    @Inject(Redis) private readonly redis: Redis,
  ) {}

  /** Of each scope in its order. Rejects when Redis does not answer. */
  async listScopeUse(accountId: string, scopes: readonly Scope[]): Promise<ScopeUse[]> {
    return readScopeUse(this.redis, await this.findTag(accountId), scopes);
  }

  private async findTag(accountId: string): Promise<string> {
    const known = this.tags.get(accountId);
    if (known !== undefined) return known;
    const { tag } = await this.control.withAccount(accountId, (tx) =>
      tx.account.findUniqueOrThrow({ where: { id: accountId }, select: { tag: true } }),
    );
    if (this.tags.size >= TAGS_REMEMBERED_MAX) this.tags.clear();
    this.tags.set(accountId, tag);
    return tag;
  }
}
