import { type Fields, isRecord } from '../body/json-body.types.js';
import { pricedTool, unsupportedField } from '../body/priced-fields.types.js';
import type { ApiError } from '../errors/api-error.types.js';

/** What a request contains besides text, as far as it bears on the most it can cost. */
export interface ResponsesContent {
  images: number;
  hasAudio: boolean;
  /** Something is in it whose tokens cannot be bounded from its bytes: the whole context window is held. */
  isUnbounded: boolean;
}

const TEXT_PARTS = new Set<unknown>(['input_text', 'output_text', 'text', 'refusal', 'summary_text', 'reasoning_text']);
/** Items that consist of their own text: messages, and what is said to and by the client's own tools. */
const PLAIN_ITEMS = new Set<unknown>([
  undefined,
  'message',
  'function_call',
  'function_call_output',
  'custom_tool_call',
  'custom_tool_call_output',
]);
/** Items that make the provider do more than answer once. */
const REFUSED_ITEMS = new Map<unknown, string>([
  ['compaction_trigger', 'A conversation compacted by the provider is charged beyond the output limit.'],
  ['additional_tools', 'Tools run by the provider have prices of their own; give functions in "tools".'],
  ['configuration_update', 'Settings changed inside the input cannot be held for; give them as fields of the request.'],
]);

function countPart(content: ResponsesContent, part: unknown): void {
  const kind = isRecord(part) ? part.type : undefined;
  if (typeof part === 'string' || TEXT_PARTS.has(kind)) return;
  if (kind === 'input_image') content.images += 1;
  else if (kind === 'input_audio') content.hasAudio = true;
  // Files, and whatever there may be one day.
  else content.isUnbounded = true;
}

function countParts(content: ResponsesContent, parts: unknown): void {
  if (Array.isArray(parts)) for (const part of parts) countPart(content, part);
  else if (isRecord(parts)) countPart(content, parts);
}

function readItem(content: ResponsesContent, item: Fields, param: string): ApiError | null {
  const refused = REFUSED_ITEMS.get(item.type);
  if (refused !== undefined) return unsupportedField(`${param}.type`, refused);
  // References, reasoning kept by the provider, and calls of its own tools stand for more than is written here.
  if (!PLAIN_ITEMS.has(item.type)) content.isUnbounded = true;
  countParts(content, item.content);
  countParts(content, item.output);
  return pricedTool(item.tools, `${param}.tools`);
}

/** Finds what breaks the rule "bytes bound tokens" in the items of an input. */
export function readItems(items: readonly Fields[]): ResponsesContent | ApiError {
  const content: ResponsesContent = { images: 0, hasAudio: false, isUnbounded: false };
  for (const [index, item] of items.entries()) {
    const refused = readItem(content, item, `input[${index}]`);
    if (refused !== null) return refused;
  }
  return content;
}
