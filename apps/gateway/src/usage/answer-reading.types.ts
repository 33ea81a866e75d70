import type { Dimension, Usage } from '@tensorloop/contracts/usage';
import type { NormalisedUsage } from '@tensorloop/pricing/openai-usage';

/** The `usage` object of an upstream answer, as it came. */
export type RawUsage = Record<string, unknown>;

/** What one chunk of the upstream's stream means for the client. */
export interface ScannedChunk {
  /** Bytes to pass on now: the upstream's own, without what is withheld. */
  bytes: Buffer;
  /** Set once the answer is whole: the bytes that say so, withheld until the call is durable. */
  ending: Buffer | null;
  /** True when the upstream reported an error inside the stream, or ended it too early; the event itself is withheld. */
  isError: boolean;
  /** The event that reports the error; absent where the stream ended too early. */
  error?: Buffer;
}

/** Reads usage and end out of a stream of events as it passes. */
export interface StreamScanner {
  readonly usage: RawUsage | null;
  /** Events that carried output so far: about one per output token. */
  readonly events: number;
  push(chunk: Buffer): ScannedChunk;
  /** The upstream's stream ended. */
  finish(): ScannedChunk;
}

/** Formats whose texts can be counted when an upstream reports no usage. */
export type TextFormat =
  | 'chat'
  | 'completions'
  | 'embeddings'
  | 'images'
  | 'messages'
  | 'moderations'
  | 'rerank'
  | 'responses'
  | 'speech'
  | 'transcriptions';

/** A whole answer and the usage that was read in it. */
export interface ReadAnswer {
  body: Buffer;
  usage: RawUsage | null;
}

/** What a whole answer says of itself. */
export interface WholeAnswer {
  usage: RawUsage | null;
  /** It reports an error, whatever its status said: the call failed, and costs nothing. */
  isFailure?: boolean;
  /** The answer itself, where it says that its model failed: it is the client's as it came, and the provider's circuit is to hear of it. */
  failed?: Record<string, unknown>;
}

/** How an endpoint's answers are read. */
export interface AnswerReading {
  /** Of a whole answer; null = it is broken. */
  readWhole(body: Buffer, contentType: string): WholeAnswer | null;
  newScanner(): StreamScanner;
  /** Into disjoint dimensions; `priced` are those that the frozen price lists. */
  normalise(raw: RawUsage, priced: ReadonlySet<Dimension>): NormalisedUsage;
  textFormat: TextFormat;
  /** What is sold by the piece, counted here when the usage is not whole; never more than there was. */
  countUnits?(answer: ReadAnswer): Usage;
  /** Of answers that may be longer than others. */
  answerBytesMax?: number;
  /** What keeps an idle stream alive, for clients that know an event for it; a comment line otherwise. */
  heartbeat?: Buffer;
}
