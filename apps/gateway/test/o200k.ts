import { createRequire } from 'node:module';
import { BytePairs } from '../src/usage/byte-pairs.js';
import { TextTokens } from '../src/usage/text-tokens.js';
import { TokenRanks } from '../src/usage/token-ranks.js';

const ranksFile = createRequire(import.meta.url).resolve('gpt-tokenizer/data/o200k_base.tiktoken');
export const pairs = new BytePairs(new TokenRanks(ranksFile));
const texts = new TextTokens(pairs);

/** As the gateway's worker counts. */
export const countTokens = (text: string): number => texts.count(text);
