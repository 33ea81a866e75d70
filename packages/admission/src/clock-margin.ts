/**
 * What clocks may differ by without harm, in milliseconds: the control plane's, which stamps minting, from Redis's, and a
 * Redis's from that of the one it replaces. A scope counts as new only if it began by more than this after the account's
 * epoch opened; otherwise its total is asked for. `accounts.lua` has the same number.
 */
export const CLOCK_MARGIN_MS = 60_000;
