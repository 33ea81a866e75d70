/** Length of the rate limit's rolling window. */
export const RPM_WINDOW_MS = 60_000;
const FRAME_MS = 5_000;
/** One more than the window holds, because the frame that the window begins in counts as a whole. */
const FRAMES = RPM_WINDOW_MS / FRAME_MS + 1;

interface KeyFrames {
  counts: Uint32Array;
  /** Tokens counted at admission, of keys with a token limit. Sums of counts below 2^53. */
  tokens: Float64Array | null;
  /** Number of the newest frame; frame n lives at n modulo FRAMES. */
  newest: number;
}

/**
 * How many calls of each key (and tokens, where they are limited) this gateway admitted in the last minute, for re-assertion: Redis lost means the rate log lost,
 * and the count lets the rebuilt log refuse what the lost one would have refused. Counts are kept in frames of 5 s and a frame
 * counts while any of it is in the window, so the answer may be up to 5 s too strict and is never too generous.
 *
 * Memory is bounded by the keys used within the last minute (60 bytes each): call `forget` now and then. Instants are Unix
 * milliseconds of Redis TIME, as admission returned them.
 */
export class RecentAdmissions {
  private readonly accounts = new Map<string, Map<string, KeyFrames>>();

  note(accountTag: string, keyId: string, atMs: number): void {
    const keys = this.accounts.get(accountTag) ?? new Map<string, KeyFrames>();
    this.accounts.set(accountTag, keys);
    const frame = Math.floor(atMs / FRAME_MS);
    const frames = keys.get(keyId) ?? { counts: new Uint32Array(FRAMES), tokens: null, newest: frame };
    keys.set(keyId, frames);
    advance(frames, frame);
    const at = frames.newest % FRAMES;
    frames.counts[at] = (frames.counts[at] as number) + 1;
  }

  /** Tokens of a call that was just noted. */
  noteTokens(accountTag: string, keyId: string, tokens: number): void {
    const frames = this.accounts.get(accountTag)?.get(keyId);
    if (frames === undefined) return;
    const at = frames.newest % FRAMES;
    frames.tokens ??= new Float64Array(FRAMES);
    frames.tokens[at] = (frames.tokens[at] as number) + tokens;
  }

  /** Tokens per key id of one account, as counted at admission: corrections at the end only lower them. */
  tokensOf(accountTag: string, nowMs: number): Map<string, number> {
    const sums = new Map<string, number>();
    for (const [keyId, frames] of this.accounts.get(accountTag) ?? []) {
      advance(frames, Math.floor(nowMs / FRAME_MS));
      const sum = frames.tokens?.reduce((total, count) => total + count, 0) ?? 0;
      if (sum > 0) sums.set(keyId, sum);
    }
    return sums;
  }

  /** Calls per key id of one account. */
  countsOf(accountTag: string, nowMs: number): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [keyId, frames] of this.accounts.get(accountTag) ?? []) {
      advance(frames, Math.floor(nowMs / FRAME_MS));
      const sum = frames.counts.reduce((total, count) => total + count, 0);
      if (sum > 0) counts.set(keyId, sum);
    }
    return counts;
  }

  /** Drops keys without a call in the last minute. */
  forget(nowMs: number): void {
    for (const [tag, keys] of this.accounts) {
      const used = this.countsOf(tag, nowMs);
      for (const keyId of keys.keys()) if (!used.has(keyId)) keys.delete(keyId);
      if (keys.size === 0) this.accounts.delete(tag);
    }
  }
}

/** Clears the frames between the newest one and `frame`. An instant of the past (clock set back) counts into the newest. */
function advance(frames: KeyFrames, frame: number): void {
  const steps = Math.min(frame - frames.newest, FRAMES);
  for (let step = 1; step <= steps; step++) {
    frames.counts[(frame - steps + step) % FRAMES] = 0;
    if (frames.tokens !== null) frames.tokens[(frame - steps + step) % FRAMES] = 0;
  }
  if (frame > frames.newest) frames.newest = frame;
}
