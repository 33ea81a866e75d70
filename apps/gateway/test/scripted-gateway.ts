import type { Endpoint } from '@tensorloop/contracts/endpoint';
import { GatewayFixture } from './gateway-fixture.js';
import { ScriptedProvider } from './scripted-provider.js';
import type { TestKey } from './test-keys.js';
import { testModel } from './test-models.js';

export interface ScriptedGateway {
  provider: ScriptedProvider;
  fixture: GatewayFixture;
  /** May use all models. */
  key: TestKey;
  stop(): Promise<void>;
}

/** A gateway with one model for each place of a scripted provider, by the place's name. */
export async function startScriptedGateway(...places: string[]): Promise<ScriptedGateway> {
  const provider = await ScriptedProvider.start();
  const endpoints: Endpoint[] = ['chat.completions', 'responses'];
  const fixture = await GatewayFixture.start({
    models: () =>
      places.map((place) => testModel(place, provider.url, { endpoints, deployment: { baseUrl: provider.at(place) } })),
  });
  const key = await fixture.addKey({ models: ['*'], rpm: 1_000 });
  const stop = async () => {
    provider.stop();
    await fixture.stop();
  };
  return { provider, fixture, key, stop };
}
