import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { ConfigError, loadConfig, serviceEnvironment, urlOf } from './config.js';

const schema = z.object({
  ...serviceEnvironment(4200),
  DATABASE_URL: urlOf('postgresql', 'postgres'),
  KEY_PEPPER: z.string().min(32, 'expected at least 32 characters'),
});
const VALID = { NATS_URL: 'nats://a:1, nats://b:2', DATABASE_URL: 'postgresql://u:p@h/d', KEY_PEPPER: 'x'.repeat(32) };

function violationsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(schema, env);
    return [];
  } catch (error) {
    return (error as ConfigError).violations;
  }
}

describe('the configuration', () => {
  it('takes defaults for what is not set, and an empty variable as not set', () => {
    expect(loadConfig(schema, { ...VALID, PORT: '', UNRELATED: 'x' })).toEqual({
      ...VALID,
      PORT: 4200,
      HOST: '127.0.0.1',
      LOG_LEVEL: 'info',
    });
  });

  it('reports every violation at once, one line each', () => {
    const violations = violationsOf({ PORT: 'eighty', NATS_URL: 'http://wrong', LOG_LEVEL: 'loud', KEY_PEPPER: 'short' });
    expect(violations).toEqual([
      'PORT: expected a port number',
      'NATS_URL: expected nats://host:port, several separated by commas',
      expect.stringMatching(/^LOG_LEVEL: /),
      'DATABASE_URL is not set',
      'KEY_PEPPER: expected at least 32 characters',
    ]);
  });

  it('never prints a value', () => {
    const text = String(
      new ConfigError(
        violationsOf({ ...VALID, DATABASE_URL: 'mysql://user:topsecret@h', KEY_PEPPER: 'topsecret', PORT: 'topsecret' }),
      ),
    );
    expect(text).toContain('DATABASE_URL');
    expect(text).not.toContain('topsecret');
  });
});
