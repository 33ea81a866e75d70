import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { wallClock } from './clock.js';
import { ConfigError, type Environment, loadConfig, serviceEnvironment } from './config.js';
import { faultEnvironment, refuseFaultsInProduction } from './faults.js';

const schema = z.object({ ...serviceEnvironment(4200), ...faultEnvironment('metering') }).superRefine(refuseFaultsInProduction);

function violationsOf(env: Environment): readonly string[] {
  try {
    loadConfig(schema, { NATS_URL: 'nats://a:1', ...env });
    return [];
  } catch (error) {
    return (error as ConfigError).violations;
  }
}

const FAULTS = { FAIL_POINTS: 'metering.after_commit=kill@2', CLOCK_SKEW_MS: '-5000' };

describe('faults in the configuration', () => {
  it('are off unless they are named', () => {
    const config = loadConfig(schema, { NATS_URL: 'nats://a:1', NODE_ENV: 'production' });
    expect(config).not.toHaveProperty('FAIL_POINTS');
    expect(config).not.toHaveProperty('CLOCK_SKEW_MS');
  });

  it('are read where the process is not in production', () => {
    expect(loadConfig(schema, { NATS_URL: 'nats://a:1', ...FAULTS })).toMatchObject({
      FAIL_POINTS: [{ name: 'metering.after_commit', action: { kind: 'kill' }, passing: 2 }],
      CLOCK_SKEW_MS: -5_000,
    });
  });

  it('are refused in production, each by name, unless that is allowed expressly', () => {
    const refused = violationsOf({ ...FAULTS, NODE_ENV: 'production' });
    expect(refused).toEqual([expect.stringMatching(/^FAIL_POINTS: .*production/), expect.stringMatching(/^CLOCK_SKEW_MS: /)]);
    expect(violationsOf({ ...FAULTS, NODE_ENV: 'production', FAULTS_IN_PRODUCTION: 'yes' })).toHaveLength(1);
    expect(violationsOf({ ...FAULTS, NODE_ENV: 'production', FAULTS_IN_PRODUCTION: 'allowed' })).toEqual([]);
  });

  it('with a typo keep the service from starting, and say which names there are', () => {
    expect(violationsOf({ FAIL_POINTS: 'metering.after_comit=kill' })).toEqual([
      expect.stringMatching(/^FAIL_POINTS: .*metering\.after_commit/),
    ]);
    expect(violationsOf({ CLOCK_SKEW_MS: '86400001' })).toHaveLength(1);
  });
});

describe('the wall clock', () => {
  it('shows the machine’s time, moved by its skew', () => {
    const before = Date.now();
    const skewed = wallClock(-5_000)();
    expect(skewed).toBeGreaterThanOrEqual(before - 5_000);
    expect(skewed).toBeLessThanOrEqual(Date.now() - 5_000);
    expect(wallClock()()).toBeGreaterThanOrEqual(before);
  });
});
