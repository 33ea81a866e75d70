import { countTokens, setMergeCacheSize } from 'gpt-tokenizer/encoding/o200k_base';

/** Texts of a prompt, and what they come to. */
export interface PlainTextCount {
  tokens: number;
  /** In UTF-8. In the body they take at least as many. */
  textBytes: number;
}

/** Names of special tokens inside a text are text: written out they take more tokens than the one that they name. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };
/** Merging the pairs of one word takes time that grows with its square. */
const WORD_BYTES_MAX = 500;
/** Above it the tokenizer forgets a word for each that it learns, and in its usual size that takes longer than counting it. */
const MERGE_CACHE_WORDS_MAX = 1_000;
setMergeCacheSize(MERGE_CACHE_WORDS_MAX);
/** Sentences in Chinese and Japanese have no spaces; these end a word too. */
const WIDE_MARKS = new Set([...'、。，！？：；'].map((mark) => mark.charCodeAt(0)));

type Json = Record<string, unknown>;

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether any stretch without a change between space and no space is too long, cheaply. */
function hasLongWord(text: string): boolean {
  let bytes = 0;
  let wasSpace = false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    const isSpace = code <= 0x20;
    if (isSpace !== wasSpace || WIDE_MARKS.has(code)) bytes = 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
    if (bytes > WORD_BYTES_MAX) return true;
    wasSpace = isSpace;
  }
  return false;
}

/**
 * The text of a message that a provider turns into tokens by itself: its content, when that is one text. Several parts are
 * left to their bytes, because how a provider joins them is not known, and neither are lone surrogates, which it replaces.
 */
function plainText(message: Json): string | null {
  const { content } = message;
  const only = Array.isArray(content) && content.length === 1 ? content[0] : null;
  const text = isRecord(only) && only.type === 'text' ? only.text : content;
  return typeof text === 'string' && text.isWellFormed() && !hasLongWord(text) ? text : null;
}

/**
 * Counts the plain texts of a chat body. What is not counted (tools, names, roles, JSON itself) is bounded by its bytes as
 * ever: body minus `textBytes`. Nothing is counted in a body that cannot be read.
 */
export function countPlainTexts(body: string): PlainTextCount {
  const count: PlainTextCount = { tokens: 0, textBytes: 0 };
  let messages: unknown;
  try {
    messages = (JSON.parse(body) as { messages?: unknown } | null)?.messages;
  } catch {
    return count;
  }
  for (const message of Array.isArray(messages) ? messages : []) {
    const text = isRecord(message) ? plainText(message) : null;
    if (text === null) continue;
    count.tokens += countTokens(text, AS_TEXT);
    count.textBytes += Buffer.byteLength(text);
  }
  return count;
}
