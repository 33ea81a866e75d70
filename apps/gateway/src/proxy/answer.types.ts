import type { Usage } from '@tensorloop/contracts/usage';
import type { Journal } from '../journal/journal.service.js';
import type { CallSettler } from '../settlement/call-settler.service.js';
import type { Credentials } from '../upstreams/credentials.service.js';
import type { TokenEstimator } from '../usage/token-estimator.service.js';
import type { KeptBlocks } from './kept-blocks.js';
import type { OpenCalls } from './open-calls.service.js';
import type { Ticker } from './ticker.service.js';

/** What serving an answer needs besides the call itself. */
export interface AnswerContext {
  settler: CallSettler;
  journal: Journal;
  estimator: TokenEstimator;
  ticker: Ticker;
  openCalls: OpenCalls;
  credentials: Pick<Credentials, 'scrub'>;
  /** For streams kept in case the upstream reports no usage. */
  keptBlocks: KeptBlocks;
  /** Told of an exception that should not exist. */
  onDefect: (error: unknown, requestId: string) => void;
}

export interface CountedUsage {
  usage: Usage;
  estimated: boolean;
}
