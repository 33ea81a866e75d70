import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { totalsGetReplySchema, totalsGetRequestSchema } from '@tensorloop/contracts/rpc';
import { projectScope } from '@tensorloop/contracts/settle-ack';
import { RPC } from '@tensorloop/contracts/subjects';
import { budgetWindow, DAY_MS } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { defineRpc } from '@tensorloop/nest-kit/rpc';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { type AskedWorld, startAskedWorld } from '../testing/asked-world.js';
import { newEvent, newTenant, type Tenant } from '../testing/events.js';
import { publish } from '../testing/world.js';

const totalsGet = defineRpc(RPC.meteringTotalsGet, totalsGetRequestSchema, totalsGetReplySchema);

let asked: AskedWorld;
beforeAll(async () => {
  asked = await startAskedWorld();
});
afterAll(() => asked?.stop());

/** A call of a project that was created so long ago. */
function callOf(tenant: Tenant, projectId: string, ageMs: number): RequestCompleted {
  const event = newEvent({ tenant });
  const window = budgetWindow(event.admittedAtMs - ageMs, event.admittedAtMs);
  return { ...event, projectId, projectWindowIndex: window.index, projectWindowStartMs: window.startMs };
}

async function totalOf({ accountId }: Tenant, scope: string) {
  const reply = await waitUntil(
    async () => {
      const answer = await asked.client.call(totalsGet, { accountId, scopes: [scope] });
      return answer.ok ? answer : null;
    },
    { what: 'totals' },
  );
  return reply.totals[0];
}

describe('the total of a project', () => {
  it('is what its keys’ calls of the window came to, and goes to the gateway with the settle-ack (TL-4)', async () => {
    const [tenant, projectId] = [newTenant(), uuid7()];
    const other = { ...tenant, keyId: uuid7() };
    const ageMs = 70 * DAY_MS;
    const calls = [callOf(tenant, projectId, ageMs), callOf(other, projectId, ageMs)];
    const outside = newEvent({ tenant });
    await publish(asked.world, ...calls, outside);
    await waitUntil(() => [...calls, outside].every(({ requestId }) => asked.ears.has(requestId)), { what: 'settle-acks' });
    const sum = calls.reduce((total, call) => total + BigInt(call.chargeNanoUsd), 0n);
    const scope = projectScope(projectId, 2);
    const total = await totalOf(tenant, scope);
    expect(total).toMatchObject({ scope, totalNanoUsd: sum.toString() });
    const told = asked.ears.last((calls[1] as RequestCompleted).requestId).totals.find((each) => each.scope === scope);
    expect(BigInt(told?.totalNanoUsd ?? 0)).toBeGreaterThan(0n);
    expect(await totalOf(tenant, projectScope(projectId, 1))).toMatchObject({ totalNanoUsd: '0', version: 0 });
    expect(await totalOf(newTenant(), scope)).toMatchObject({ totalNanoUsd: '0', version: 0 });
  });

  it('lacks a call whose project window is not that of its admission: it is quarantined', async () => {
    const [tenant, projectId] = [newTenant(), uuid7()];
    const call = callOf(tenant, projectId, 70 * DAY_MS);
    const wrong = { ...call, projectWindowStartMs: (call.projectWindowStartMs as number) - 31 * DAY_MS };
    await publish(asked.world, wrong);
    await waitUntil(() => asked.ears.has(wrong.requestId), { what: 'the settle-ack' });
    const [row] = await asked.world.database.query<{ reason: string; detail: string }>(
      'SELECT reason, detail FROM metering.quarantine WHERE request_id = $1',
      [wrong.requestId],
    );
    expect(row).toMatchObject({ reason: 'scope_mismatch', detail: expect.stringContaining("project's window 2") });
  });
});
