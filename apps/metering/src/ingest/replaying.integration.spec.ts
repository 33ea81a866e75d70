import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { totalsGetReplySchema, totalsGetRequestSchema } from '@tensorloop/contracts/rpc';
import { dayScope } from '@tensorloop/contracts/settle-ack';
import { METERING_CONSUMER, REQUESTS_STREAM, RPC } from '@tensorloop/contracts/subjects';
import { jetstreamManager } from '@tensorloop/messaging/streams';
import { defineRpc, RpcClient } from '@tensorloop/nest-kit/rpc';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { newEvent, newTenant } from '../testing/events.js';
import { publish, readSums, SettledEars, startMetering, startWorld, type World } from '../testing/world.js';

const totalsGet = defineRpc(RPC.meteringTotalsGet, totalsGetRequestSchema, totalsGetReplySchema);

let world: World;
let client: RpcClient;
beforeAll(async () => {
  world = await startWorld();
  client = new RpcClient({ url: world.nats.url, name: 'test', timeoutMs: 20_000 });
});
afterAll(async () => {
  await client?.close();
  await world?.stop();
});

/** Nothing is left to book. */
async function isCaughtUp(): Promise<boolean> {
  const info = await (await jetstreamManager(world.connection)).consumers.info(REQUESTS_STREAM, METERING_CONSUMER);
  return info.num_pending === 0 && info.num_ack_pending === 0;
}

describe('metering that replays after its database was restored', () => {
  it('books, and tells gateways of no total; afterwards whoever asks again is told', async () => {
    const tenant = newTenant();
    const ears = new SettledEars(world, tenant.accountTag);
    const event = newEvent({ tenant, gatewayId: tenant.accountTag });
    const askTotals = () => client.call(totalsGet, { accountId: tenant.accountId, scopes: [dayScope(event.day)] });
    const replaying = await startMetering(world, { REPLAYING: 'true' });
    await publish(world, event);
    await waitUntil(isCaughtUp, { what: 'the event to be booked' });
    expect((await readSums(world, [tenant.accountId])).calls).toBe(1);
    expect(await askTotals()).toMatchObject({ ok: false, code: 'replaying' });
    expect(ears.has(event.requestId)).toBe(false);
    await replaying.app.close();

    const metering = await startMetering(world);
    const told = await waitUntil(async () => (await askTotals()).ok && askTotals(), { what: 'an answer with totals' });
    expect(told).toMatchObject({ ok: true, totals: [{ totalNanoUsd: event.chargeNanoUsd }] });
    await publish(world, event);
    await waitUntil(() => ears.has(event.requestId), { what: 'the settle-ack' });
    await metering.app.close();
  });
});
