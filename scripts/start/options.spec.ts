import { describe, expect, it } from '@jest/globals';
import { readOptions } from './options.ts';

describe('npm start', () => {
  it('uses the documented ports and the simulator when nothing is said', () => {
    const { ports, provider, external, fresh } = readOptions([], {});
    expect(ports).toEqual({ gateway: 4000, controlPlane: 4100, metering: 4200, upstream: 4900 });
    expect({ provider, external, fresh }).toEqual({ provider: null, external: {}, fresh: false });
  });

  it('takes ports from the environment', () => {
    const env = { GATEWAY_PORT: '5000', CONTROL_PLANE_PORT: '5100', METERING_PORT: '5200', UPSTREAM_PORT: '5900' };
    expect(readOptions([], env).ports).toEqual({ gateway: 5000, controlPlane: 5100, metering: 5200, upstream: 5900 });
  });

  it.each(['0', '65536', 'http', '4000.5', '-1'])('refuses the port %j, naming the variable', (text) => {
    expect(() => readOptions([], { GATEWAY_PORT: text })).toThrow(/^GATEWAY_PORT is ".*"; set it to a port/);
  });

  it('calls the real provider once it has a credential, which it names but never holds', () => {
    const { provider } = readOptions([], { OPENAI_API_KEY: 'sk-secret' });
    expect(provider).toEqual({ baseUrl: 'https://api.openai.com/v1', credential: 'env:OPENAI_API_KEY' });
    expect(readOptions([], { OPENAI_API_KEY: 'sk', OPENAI_BASE_URL: 'http://proxy/v1' }).provider?.baseUrl).toBe(
      'http://proxy/v1',
    );
  });

  it('uses servers that somebody else runs', () => {
    const env = { DATABASE_URL: 'postgresql://a', NATS_URL: 'nats://b', REDIS_URL: 'redis://c' };
    expect(readOptions([], env).external).toEqual({
      postgresUrl: 'postgresql://a',
      natsUrl: 'nats://b',
      redisUrl: 'redis://c',
    });
  });

  it('refuses an option that it does not know', () => {
    expect(() => readOptions(['--frsh'], {})).toThrow('Unknown option --frsh; there are --fresh and --detach.');
  });
});
