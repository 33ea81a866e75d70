import { describe, expect, it } from '@jest/globals';
import { ADDRESSES_MAX, FAILURES_MAX, FAILURES_WINDOW_MS, SignInThrottle, SignInThrottledError } from './sign-in-throttle.js';

const EMAIL = 'a@example.com';

function start() {
  const time = { nowMs: 0 };
  const throttle = new SignInThrottle(() => time.nowMs);
  const fail = (email = EMAIL) => throttle.attempt(email, async () => null);
  const failOften = async () => {
    for (let count = 0; count < FAILURES_MAX; count++) await fail();
  };
  return { time, throttle, fail, failOften };
}

describe('attempts to sign in with one address', () => {
  it('are refused after too many that failed, without trying, until the window is over', async () => {
    const { time, throttle, failOften } = start();
    await failOften();
    time.nowMs = FAILURES_WINDOW_MS - 1;
    let tries = 0;
    const attempt = () => throttle.attempt(EMAIL, async () => ++tries);
    await expect(attempt()).rejects.toMatchObject({ name: 'SignInThrottledError', retryAfterMs: 1 });
    expect(tries).toBe(0);
    time.nowMs = FAILURES_WINDOW_MS;
    expect(await attempt()).toBe(1);
  });

  it('count from their beginning, so that guesses sent at once are no more than those sent in turn', async () => {
    const { throttle } = start();
    let tries = 0;
    const guess = () =>
      throttle.attempt(EMAIL, async () => {
        tries += 1;
        return null;
      });
    const results = await Promise.allSettled(Array.from({ length: FAILURES_MAX * 3 }, guess));
    expect(tries).toBe(FAILURES_MAX);
    const reasons = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason);
    expect(reasons.every((reason) => reason instanceof SignInThrottledError)).toBe(true);
  });

  it('are forgotten once one succeeds, and one that could not be made does not count', async () => {
    const { throttle, failOften, fail } = start();
    for (let count = 1; count < FAILURES_MAX; count++) await fail();
    const broken = () => throttle.attempt(EMAIL, () => Promise.reject(new Error('database away')));
    await expect(broken()).rejects.toThrow('database away');
    expect(await throttle.attempt(EMAIL, async () => 'in')).toBe('in');
    await failOften();
    await expect(fail()).rejects.toBeInstanceOf(SignInThrottledError);
  });

  it('leave other addresses alone', async () => {
    const { failOften, fail } = start();
    await failOften();
    expect(await fail('b@example.com')).toBeNull();
  });
});

it('the oldest of too many addresses are forgotten', async () => {
  const { throttle, fail, failOften } = start();
  await failOften();
  for (let count = 0; count < ADDRESSES_MAX; count++) await fail(`${count}@example.com`);
  expect(throttle.size).toBe(ADDRESSES_MAX);
  expect(await fail()).toBeNull();
});
