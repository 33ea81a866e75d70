import { RpcClient } from '@tensorloop/nest-kit/rpc';
import { type RunningMetering, SettledEars, startMetering, startWorld, type World } from './world.js';

/** A metering service as others see it: told of calls by NATS, heard by a gateway, and asked by RPC. */
export interface AskedWorld {
  world: World;
  metering: RunningMetering;
  client: RpcClient;
  ears: SettledEars;
  stop(): Promise<void>;
}

/** `prepare` runs before the service does, for what it must find in its database. */
export async function startAskedWorld(prepare: (world: World) => Promise<unknown> = async () => {}): Promise<AskedWorld> {
  const world = await startWorld();
  await prepare(world);
  const ears = new SettledEars(world, 'gateway-1');
  const client = new RpcClient({ url: world.nats.url, name: 'test', timeoutMs: 20_000 });
  const metering = await startMetering(world);
  return {
    world,
    metering,
    client,
    ears,
    stop: async () => {
      await client.close();
      await metering.app.close();
      await world.stop();
    },
  };
}
