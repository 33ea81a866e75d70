import type { INestMicroservice, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { rpcServerOptions } from '@tensorloop/nest-kit/rpc';
import type { TestControlPlane } from '../control-plane.fixture.js';

/** Metering as far as its contract goes: answers what the control plane asks on NATS with this controller's handlers. */
export async function startMeteringDouble(plane: TestControlPlane, controller: Type): Promise<INestMicroservice> {
  const service = await NestFactory.createMicroservice(
    { module: class MeteringDoubleModule {}, controllers: [controller] },
    { ...rpcServerOptions({ url: plane.nats.url, name: 'metering' }), logger: false },
  );
  await service.listen();
  return service;
}
