import { describe, expect, it } from '@jest/globals';
import { harmlessEnv } from './services.ts';

describe('the environment of services other than the gateway', () => {
  it('has no provider credential, database address or npm setting of the shell', () => {
    const shell = {
      PATH: '/bin',
      LOG_LEVEL: 'debug',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
      OPENAI_API_KEY: 'sk-secret',
      ANTHROPIC_API_KEY: 'sk-ant-secret',
      DATABASE_URL: 'postgresql://root@production/',
      npm_config_registry: 'https://example.test',
    };
    expect(harmlessEnv(shell)).toEqual({
      PATH: '/bin',
      LOG_LEVEL: 'debug',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
    });
  });
});
