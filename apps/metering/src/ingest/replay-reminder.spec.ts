import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { Logger } from '@tensorloop/observability/logger';
import { Metrics } from '@tensorloop/observability/metrics';
import type { Config } from '../config.js';
import { REMINDER_INTERVAL_MS, ReplayReminder } from './replay-reminder.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function newReminder(REPLAYING: 'true' | 'false') {
  const metrics = new Metrics('metering');
  const warn = jest.fn();
  const reminder = new ReplayReminder({ REPLAYING } as Config, { warn } as unknown as Logger, metrics);
  return { reminder, warn, readMetrics: () => metrics.text() };
}

it('metering that replays warns of it at its start and every minute until it stops, and shows it in a gauge', async () => {
  const { reminder, warn, readMetrics } = newReminder('true');
  reminder.onApplicationBootstrap();
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn).toHaveBeenCalledWith(expect.stringContaining('REPLAYING'));
  jest.advanceTimersByTime(2 * REMINDER_INTERVAL_MS);
  expect(warn).toHaveBeenCalledTimes(3);
  reminder.onModuleDestroy();
  jest.advanceTimersByTime(2 * REMINDER_INTERVAL_MS);
  expect(warn).toHaveBeenCalledTimes(3);
  expect(await readMetrics()).toMatch(/^metering_replaying\{.*\} 1$/m);
});

it('metering that does not replay is silent, and its gauge is there at 0', async () => {
  const { reminder, warn, readMetrics } = newReminder('false');
  reminder.onApplicationBootstrap();
  jest.advanceTimersByTime(2 * REMINDER_INTERVAL_MS);
  expect(warn).not.toHaveBeenCalled();
  expect(await readMetrics()).toMatch(/^metering_replaying\{.*\} 0$/m);
});
