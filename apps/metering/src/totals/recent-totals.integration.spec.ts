import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { totalsGetReplySchema, totalsGetRequestSchema } from '@tensorloop/contracts/rpc';
import { dayScope, type Scope, windowScope } from '@tensorloop/contracts/settle-ack';
import { RPC } from '@tensorloop/contracts/subjects';
import { DAY_MS } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { defineRpc } from '@tensorloop/nest-kit/rpc';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { type AskedWorld, startAskedWorld } from '../testing/asked-world.js';
import { newEvent, newTenant } from '../testing/events.js';
import { publish, startMetering } from '../testing/world.js';

const totalsGetOfAny = defineRpc(RPC.meteringTotalsGetOfAny, totalsGetRequestSchema, totalsGetReplySchema);
const totalsGet = defineRpc(RPC.meteringTotalsGet, totalsGetRequestSchema, totalsGetReplySchema);

let asked: AskedWorld;
beforeAll(async () => {
  asked = await startAskedWorld();
});
afterAll(() => asked?.stop());

describe('totals asked for with those of late', () => {
  it('are those of the account’s keys of the last days, each once, and of nobody else', async () => {
    const tenant = { ...newTenant(), mintedAtMs: Date.now() - 10 * DAY_MS };
    const [first, second, old] = [tenant, { ...tenant, keyId: uuid7() }, { ...tenant, keyId: uuid7() }];
    const events = [
      newEvent({ tenant: first }),
      newEvent({ tenant: second }),
      newEvent({ tenant: old, admittedAtMs: Date.now() - 5 * DAY_MS }),
      newEvent(),
    ];
    await publish(asked.world, ...events);
    await waitUntil(() => events.every((event) => asked.ears.has(event.requestId)), { what: 'every settle-ack' });
    const unused = windowScope(uuid7(), 0);
    const scopes: Scope[] = [unused, windowScope(first.keyId, 0)];
    const reply = await asked.client.call(totalsGet, { accountId: tenant.accountId, scopes, isWithRecent: true });
    const totals = reply.ok ? reply.totals : [];
    expect(totals.slice(0, 2).map(({ scope, version }) => [scope, version])).toEqual([
      [unused, 0],
      [windowScope(first.keyId, 0), 1],
    ]);
    const [firstEvent, secondEvent] = events as [(typeof events)[0], (typeof events)[0]];
    expect(new Map(totals.slice(2).map(({ scope, totalNanoUsd }) => [scope, totalNanoUsd]))).toEqual(
      new Map([
        [windowScope(second.keyId, 0), secondEvent.chargeNanoUsd],
        [dayScope(firstEvent.day), String(BigInt(firstEvent.chargeNanoUsd) + BigInt(secondEvent.chargeNanoUsd))],
      ]),
    );
    const alone = await asked.client.call(totalsGet, { accountId: tenant.accountId, scopes });
    expect(alone.ok && alone.totals.map(({ scope }) => scope)).toEqual(scopes);
  });
});

describe('totals asked of every replica', () => {
  it('are told by one that can while another cannot, and by nobody else before', async () => {
    const replaying = await startMetering(asked.world, { REPLAYING: 'true' });
    try {
      const question = { accountId: uuid7(), scopes: [dayScope('2026-11-21')] };
      // One of them is asked, and it may be the wrong one.
      await waitUntil(async () => !(await asked.client.call(totalsGet, question)).ok, { what: 'the wrong one to be asked' });
      const ofAny = await Promise.all(Array.from({ length: 20 }, () => asked.client.call(totalsGetOfAny, question)));
      expect(ofAny.every(({ ok }) => ok)).toBe(true);
    } finally {
      await replaying.app.close();
    }
  });
});
