import { poll } from '@tensorloop/servers/poll';

/** Far longer than anything takes: what is waited for may have to wait for a core itself while other tests run. */
const DEFAULT_TIMEOUT_MS = 60_000;

export interface WaitOptions {
  timeoutMs?: number;
  /** Completes "waited for …" in the error. */
  what?: string;
}

/** What is left of a type once the condition held. */
type Truthy<Value> = Exclude<Value, null | undefined | false | 0 | 0n | ''>;

/**
 * Polls until `condition` returns something truthy, and returns that. An error inside counts as "not yet"; the last
 * one is shown when time is up. Tests wait with this, never by sleeping.
 */
export async function waitUntil<Value>(
  condition: () => Value | Promise<Value>,
  options: WaitOptions = {},
): Promise<Truthy<Value>> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, what = 'the condition' } = options;
  let value: Value | undefined;
  await poll(
    async () => {
      value = await condition();
      return Boolean(value);
    },
    { timeoutMs, failure: `waited for ${what}, which did not come about` },
  );
  return value as Truthy<Value>;
}
