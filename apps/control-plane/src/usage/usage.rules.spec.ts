import { describe, expect, it } from '@jest/globals';
import { dayRange, statusOf } from './usage.rules.js';

const NOW_MS = Date.parse('2026-11-21T23:59:59.999Z');

describe('the status of a call (TL-10)', () => {
  it.each([
    ['completed', false, 'succeeded'],
    ['client_aborted', false, 'succeeded'],
    ['drain_capped', true, 'estimated'],
    ['upstream_error', false, 'failed'],
    ['upstream_cut', true, 'failed'],
    ['gateway_died', true, 'failed'],
  ] as const)('that ended %s, estimated %s, is %s: the filter by it finds the call', (outcome, estimated, status) => {
    expect(statusOf({ outcome, estimated })).toBe(status);
  });
});

describe('days of the summary', () => {
  it('are the last 30 UTC days by default', () => {
    expect(dayRange({}, NOW_MS)).toEqual({ ok: true, from: '2026-10-23', to: '2026-11-21' });
  });

  it('are both included', () => {
    expect(dayRange({ from: '2026-11-21', to: '2026-11-21' }, NOW_MS)).toMatchObject({ from: '2026-11-21', to: '2026-11-21' });
  });

  it.each([
    [{ from: '2026-02-30' }, '/from'],
    [{ to: '2026-13-01' }, '/to'],
    [{ from: '2026-11-22', to: '2026-11-21' }, '/from'],
    [{ from: '2025-11-20', to: '2026-11-21' }, '/from'],
    [{ to: '0000-01-01' }, '/to'],
    [{ from: '0000-01-01', to: '0000-02-01' }, '/to'],
    [{ from: '1969-12-31', to: '1970-01-01' }, '/from'],
    [{ to: '1970-01-01' }, '/from'],
  ])('are refused for %j', (query, pointer) => {
    expect(dayRange(query, NOW_MS)).toMatchObject({ ok: false, pointer });
  });

  it('may be 366', () => {
    expect(dayRange({ from: '2025-11-21', to: '2026-11-21' }, NOW_MS).ok).toBe(true);
  });
});
