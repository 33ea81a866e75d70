import type { TranscriptionFormat } from './transcriptions-request.js';

/** 4 kbit/s: no codec for speech in use goes below it, so no file lasts longer than its bytes at that rate. */
export const BYTES_PER_SECOND_MIN = 500;
/** Stereo at 96 kHz and 24 bits: hardly a file of sound is shorter than its bytes at that rate. */
export const BYTES_PER_SECOND_MAX = 576_000;
/** Faster than anybody speaks, in any script. */
export const CHARACTERS_PER_SECOND_MAX = 30;

/** The start of a cue: hours may be missing in WebVTT, and the comma is SubRip's. */
const CUE_START = /^(?:(\d{1,4}):)?(\d\d):(\d\d)[.,]\d{3} --> /gm;
const SECONDS_PER_HOUR = 3_600;
const SECONDS_PER_MINUTE = 60;

/** What a body of so many bytes can hold of sound, at most. */
export function secondsMax(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_SECOND_MIN);
}

/** An answer that does not say how long the sound was, and the file it is of. */
export interface Unmeasured {
  /** The transcript, subtitles with their marks. */
  text: string;
  format: TranscriptionFormat;
  fileBytes: number;
}

/**
 * How long the sound was at least: as long as its text takes to say, until its last cue begins, and as its size allows.
 * Each of the three is a lower bound, so that whoever is charged by a guess is charged too little.
 */
export function heardSeconds({ text, format, fileBytes }: Unmeasured): number {
  const isCued = format === 'srt' || format === 'vtt';
  const spoken = isCued ? lastCueStart(text) : text.trim().length / CHARACTERS_PER_SECOND_MAX;
  return Math.floor(Math.max(spoken, fileBytes / BYTES_PER_SECOND_MAX));
}

function lastCueStart(text: string): number {
  let last = 0;
  for (const [, hours = '0', minutes, seconds] of text.matchAll(CUE_START)) {
    const start = Number(hours) * SECONDS_PER_HOUR + Number(minutes) * SECONDS_PER_MINUTE + Number(seconds);
    last = Math.max(last, start);
  }
  return last;
}
