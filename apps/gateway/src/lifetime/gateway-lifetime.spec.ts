import { expect, it } from '@jest/globals';
import { GatewayLifetime, type GatewayLifetimeParts } from './gateway-lifetime.js';

/** A gateway of which only the order of its end is real. */
function newLifetime() {
  const ended: string[] = [];
  const end = (name: string) => () => void ended.push(name);
  const endLater = (name: string) => async () => void ended.push(name);
  const parts = {
    boot: { stop: end('boot') },
    ownerless: { stop: end('ownerless') },
    reassertions: { stop: end('reassertions') },
    restoring: { stop: end('restoring') },
    standstill: { stop: end('standstill') },
    drain: { drain: endLater('drain') },
    journal: { flush: endLater('journal'), entries: new Map() },
    nats: { stopListening: endLater('nats') },
    writes: { close: endLater('writes') },
    shipper: { sweep: endLater('shipper') },
    link: { isConnected: false },
  } as unknown as GatewayLifetimeParts;
  return { lifetime: new GatewayLifetime(parts), ended };
}

it('a gateway that drains is watched for standing still until its last call has ended', async () => {
  const { lifetime, ended } = newLifetime();
  await lifetime.beforeApplicationShutdown();
  expect(ended.indexOf('standstill')).toBeGreaterThan(ended.indexOf('drain'));
  expect(ended).toContain('shipper');
});
