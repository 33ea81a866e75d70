import { createHmac } from 'node:crypto';
import type { AdmissionClient } from '@tensorloop/admission/admission-client';
import { CLOCK_MARGIN_MS } from '@tensorloop/admission/clock-margin';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import type { Scope } from '@tensorloop/contracts/settle-ack';
import { newAccountTag, newKeyText } from '@tensorloop/kernel/key-text';
import { parseUsd } from '@tensorloop/kernel/money';
import { uuid7 } from '@tensorloop/kernel/uuid7';

export const PEPPER = 'a pepper for tests only';
const DAY_MS = 24 * 60 * 60 * 1_000;

export interface TestKey {
  text: string;
  projection: KeyProjection;
}

/** What the control plane and metering tell a gateway's Redis of keys and of what they have spent. */
export class TestKeys {
  constructor(private readonly admission: AdmissionClient) {}

  /** A key of an account of its own, as the control plane would have projected it. */
  async addKey(change: Partial<KeyProjection> = {}): Promise<TestKey> {
    const accountTag = change.accountTag ?? newAccountTag();
    const text = newKeyText(accountTag);
    const { admission } = this;
    const rebuildId = await admission.beginRebuild(accountTag, uuid7());
    if (rebuildId !== null) await admission.openEpoch({ accountTag, rebuildId, expectedGatewayIds: [] });
    const projection: KeyProjection = {
      version: 1,
      keyHash: createHmac('sha256', PEPPER).update(text).digest('hex'),
      keyId: uuid7(),
      accountId: uuid7(),
      accountTag,
      isRevoked: false,
      // The window must begin a minute after the epoch opened, or its total would have to be fetched from metering.
      mintedAtMs: Date.now() + CLOCK_MARGIN_MS + 1_000,
      expiresAtMs: Date.now() + DAY_MS,
      models: ['gpt-4o-mini'],
      budgetNanoUsd: parseUsd('5').toString(),
      rpm: 1_000,
      tpm: null,
      parallelMax: null,
      accountKind: 'metered',
      dailyLimitNanoUsd: null,
      ...change,
    };
    await admission.projectKey(projection);
    return { text, projection };
  }

  async project(key: TestKey, change: Partial<KeyProjection>): Promise<void> {
    key.projection = { ...key.projection, ...change, version: key.projection.version + 1 };
    await this.admission.projectKey(key.projection);
  }

  /** What metering would answer for a scope in which nothing was spent. */
  async seedTotal(key: TestKey, scope: Scope): Promise<void> {
    await this.admission.seedTotals(key.projection.accountTag, [{ scope, totalNanoUsd: '0', version: 1 }]);
  }
}
