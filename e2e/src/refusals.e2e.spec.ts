import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { RateLimitError } from 'openai';
import { chat } from './harness/chat.js';
import { Installation, SETUP_TIMEOUT_MS } from './harness/installation.js';

const REPEATS = 5;
let installation: Installation;

beforeAll(async () => {
  installation = await Installation.start();
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

describe('refused calls', () => {
  it('show in the activity of their account when asked for, cost nothing, and stand in no book', async () => {
    const tenant = await installation.signUp('pro');
    const holder = await installation.mint(tenant, { rpm: 1 });
    const stranger = await installation.signUp('pro');
    const { requestId: served } = await chat(holder.client);
    const refused: string[] = [];
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const error = await chat(holder.client).then(
        () => null,
        (failure: unknown) => failure,
      );
      if (!(error instanceof RateLimitError)) throw new Error('the call was expected to be refused', { cause: error });
      refused.push(String(error.requestID));
    }
    const rows = await waitUntil(
      async () => {
        const { data } = await holder.dashboard.activity({ status: 'refused' });
        return data.reduce((sum, { refusal }) => sum + (refusal?.count ?? 0), 0) === REPEATS ? data : null;
      },
      { what: 'the refused calls in the activity' },
    );
    for (const row of rows) {
      expect(refused).toContain(row.requestId);
      expect(row).toMatchObject({
        keyId: holder.key.id,
        outcome: 'refused',
        httpStatus: 429,
        costNanoUsd: '0',
        refusal: { code: 'rate_limit_exceeded' },
      });
    }
    expect((await stranger.dashboard.activity({ status: 'refused' })).data).toEqual([]);
    await waitUntil(async () => (await holder.dashboard.activity()).data.length === 1, { what: 'the served call' });
    expect((await holder.dashboard.activity()).data[0]?.requestId).toBe(served);
    await installation.auditExactly(1);
  });
});
