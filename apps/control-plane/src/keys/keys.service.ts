import { Inject, Injectable } from '@nestjs/common';
import type { Key, KeyCreate, KeyCreated } from '@tensorloop/contracts/dashboard-api';
import { newKeyText } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { CLOCK, type Clock } from '../clock.js';
import { CONFIG, type Config } from '../config.js';
import { ModelsService } from '../models/models.service.js';
import { ProjectionService } from '../projection/projection.service.js';
import type { PendingProjection } from '../projection/projection.types.js';
import { toKey, toKeyCreated } from './keys.dto.js';
import { KeysRepository, type LockedAccount } from './keys.repository.js';
import { hashKeyText, mintTerms, previewOf, refuseAnotherKey } from './keys.rules.js';
import type { MintRefusal, StoredKey } from './keys.types.js';

export type MintResult =
  | { outcome: 'minted'; key: KeyCreated }
  | { outcome: 'refused'; refusal: MintRefusal }
  | { outcome: 'not_active' };
export type RevokeResult = 'revoked' | 'not_found' | 'not_active';

interface MintRequest {
  accountId: string;
  userId: string;
  key: KeyCreate;
}

type Insertion = { refusal: MintRefusal } | { keyText: string; key: StoredKey; pending: PendingProjection };

@Injectable()
export class KeysService {
  constructor(
    @Inject(KeysRepository) private readonly repository: KeysRepository,
    @Inject(ModelsService) private readonly models: ModelsService,
    @Inject(ProjectionService) private readonly projection: ProjectionService,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Mints within the plan's ceilings (spec TL-2, TL-3). Answers `minted` only once Redis holds the key, so that the
   * first call with it works. Otherwise its text was shown to nobody, so the key is revoked: it would take up one of the
   * plan's keys and could never be used.
   */
  async mint(request: MintRequest): Promise<MintResult> {
    const known = await this.models.listIds();
    const inserted = await this.repository.withLockedAccount(request.accountId, (account) =>
      this.insert(account, request, known),
    );
    if ('refusal' in inserted) return { outcome: 'refused', refusal: inserted.refusal };
    const { key, keyText, pending } = inserted;
    if (await this.projection.deliver(pending)) return { outcome: 'minted', key: toKeyCreated(key, keyText, this.clock()) };
    await this.repository.revokeKey(request.accountId, key.id, this.clock());
    return { outcome: 'not_active' };
  }

  async list(accountId: string, includesInactive: boolean): Promise<Key[]> {
    const nowMs = this.clock();
    const keys = await this.repository.listKeys(accountId, { includesInactive, nowMs });
    return keys.map((key) => toKey(key, nowMs));
  }

  /** `revoked` once Redis holds the revocation: the key is refused on the very next call. */
  async revoke(accountId: string, keyId: string): Promise<RevokeResult> {
    const pending = await this.repository.revokeKey(accountId, keyId, this.clock());
    if (pending === null) return 'not_found';
    return (await this.projection.deliver(pending)) ? 'revoked' : 'not_active';
  }

  private async insert(account: LockedAccount, request: MintRequest, known: ReadonlySet<string>): Promise<Insertion> {
    const nowMs = this.clock();
    const result = mintTerms(request.key, account.plan, { known, nowMs });
    if (!result.ok) return { refusal: result.refusal };
    const refusal = refuseAnotherKey(await account.countActiveKeys(nowMs), account.plan);
    if (refusal !== null) return { refusal };
    const keyText = newKeyText(account.tag);
    const inserted = await account.insertKey({
      ...result.terms,
      id: uuid7(nowMs),
      name: request.key.name,
      preview: previewOf(keyText),
      keyHash: hashKeyText(keyText, this.config.KEY_PEPPER),
      createdBy: request.userId,
    });
    return { ...inserted, keyText };
  }
}
