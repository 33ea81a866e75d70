import { Inject, Injectable } from '@nestjs/common';
import type { KeyMint, KeyMinted } from '@tensorloop/contracts/api/keys';
import { budgetWindow } from '@tensorloop/kernel/budget-window';
import { newKeyText } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { CLOCK, type Clock } from '../clock.js';
import { CONFIG, type Config } from '../config.js';
import { ModelsService } from '../models/models.service.js';
import { cutToPlan, type PlanCeilings } from '../plans/plans.types.js';
import { ProjectionService } from '../projection/projection.service.js';
import type { KeyUsage } from '../usage/key-usage.types.js';
import { type ShownKey, toKeyMinted } from './keys.dto.js';
import { KeysRepository } from './keys.repository.js';
import {
  hashKeyText,
  MINT_HOUR_MS,
  mintTerms,
  previewOf,
  refuseAnotherKey,
  refuseInactiveAccount,
  refuseTooManyMints,
} from './keys.rules.js';
import type { KeyRefusal, StoredKey } from './keys.types.js';
import type { AnnouncedKey, LockedAccount } from './locked-account.repository.js';
import { refusePlacing } from './placing.js';

export type MintResult =
  | { outcome: 'minted'; key: KeyMinted }
  | { outcome: 'refused'; refusal: KeyRefusal }
  | { outcome: 'not_active' };

interface MintRequest {
  accountId: string;
  userId: string;
  key: KeyMint;
}

type Insertion = { refusal: KeyRefusal } | (AnnouncedKey & { keyText: string; plan: PlanCeilings });

@Injectable()
export class MintingService {
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
    const { key, keyText, pending, plan } = inserted;
    if (await this.projection.deliver(pending)) {
      // The key's text must be shown now or never: if this fails, a repetition waits a little and decides by itself.
      await this.repository.keepMint(request.accountId).catch(() => undefined);
      return { outcome: 'minted', key: toKeyMinted(fresh(key, plan), keyText) };
    }
    await this.repository.undoMint(request.accountId, key.id, this.clock());
    return { outcome: 'not_active' };
  }

  private async insert(account: LockedAccount, request: MintRequest, known: ReadonlySet<string>): Promise<Insertion> {
    const nowMs = this.clock();
    const { plan } = account;
    const { name, projectId = null, tags = {}, ownerUserId = request.userId } = request.key;
    const result = mintTerms(request.key, plan, { known, nowMs });
    if (!result.ok) return { refusal: result.refusal };
    const refusal =
      refuseInactiveAccount(account.isActive) ??
      (await refusePlacing(account, { projectId, ownerUserId })) ??
      refuseAnotherKey(await account.countActiveKeys(nowMs), plan) ??
      refuseTooManyMints(await account.countMintedSince(nowMs - MINT_HOUR_MS), plan, nowMs);
    if (refusal !== null) return { refusal };
    const keyText = newKeyText(account.tag);
    const inserted = await account.insertKey({
      ...result.terms,
      ...{ id: uuid7(nowMs), name, projectId, tags, ownerUserId },
      preview: previewOf(keyText),
      keyHash: hashKeyText(keyText, this.config.KEY_PEPPER),
      hashVersion: this.config.KEY_PEPPER_VERSION,
      createdBy: request.userId,
    });
    await account.recordAnswer(toKeyMinted(fresh(inserted.key, plan), null));
    return { ...inserted, keyText, plan };
  }
}

/** A key that nobody has seen yet has spent nothing, and nobody needs to be asked. */
function fresh(key: StoredKey, plan: PlanCeilings): ShownKey {
  const { budgetNanoUsd } = cutToPlan(key, plan);
  const usage: KeyUsage = {
    money: { spentNanoUsd: 0n, heldNanoUsd: 0n, leftNanoUsd: budgetNanoUsd, isBudgetExhausted: false },
    resetsAtMs: budgetWindow(key.mintedAtMs, key.mintedAtMs).endMs,
    lastUsedAtMs: null,
    isLastUseKnown: true,
    dataThroughMs: key.mintedAtMs,
  };
  return { key, plan, nowMs: key.mintedAtMs, usage };
}
