/** Texts of a prompt, and what they come to. */
export interface PlainTextCount {
  tokens: number;
  /** In UTF-8. In the body they take at least as many. */
  textBytes: number;
}

type Json = Record<string, unknown>;

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The text of a message that a provider turns into tokens by itself: its content, when that is one text. Several parts are
 * left to their bytes, because how a provider joins them is not known, and neither are lone surrogates, which it replaces.
 */
function plainText(message: Json): string | null {
  const { content } = message;
  const only = Array.isArray(content) && content.length === 1 ? content[0] : null;
  const text = isRecord(only) && only.type === 'text' ? only.text : content;
  return typeof text === 'string' && text.isWellFormed() ? text : null;
}

/**
 * Counts the plain texts of a chat body. What is not counted (tools, names, roles, JSON itself) is bounded by its bytes as
 * ever: body minus `textBytes`. Nothing is counted in a body that cannot be read.
 */
export function countPlainTexts(body: string, countTokens: (text: string) => number): PlainTextCount {
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
    count.tokens += countTokens(text);
    count.textBytes += Buffer.byteLength(text);
  }
  return count;
}
