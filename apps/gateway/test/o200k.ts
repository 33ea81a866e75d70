import { createRequire } from 'node:module';
import { BytePairs } from '../src/usage/byte-pairs.js';
import { TextTokens } from '../src/usage/text-tokens.js';
import { TokenRanks } from '../src/usage/token-ranks.js';

const ranksFile = createRequire(import.meta.url).resolve('gpt-tokenizer/data/o200k_base.tiktoken');
const texts = new TextTokens(new BytePairs(new TokenRanks(ranksFile)));

/** As the gateway's worker counts. */
export const countTokens = (text: string): number => texts.count(text);
