import { isGiven, isRecord } from '../body/json-body.types.js';
import { type ApiError, apiError } from '../errors/api-error.types.js';

/** What a request contains besides text, as far as it bears on the most it can cost. */
export interface ContentKinds {
  images: number;
  hasAudio: boolean;
  /** Something is in it whose tokens cannot be bounded from its bytes: the whole context window is held. */
  isUnbounded: boolean;
  predictionBytes: number;
}

/** Fields by which a provider adds history that the gateway cannot see. */
const HIDDEN_HISTORY_FIELDS = ['previous_response_id', 'conversation', 'prompt'];
/** Tool kinds that run at the client and have no price of their own. */
const FREE_TOOL_KINDS = new Set(['function', 'custom']);

function countPart(kinds: ContentKinds, part: unknown): void {
  const kind = isRecord(part) ? part.type : undefined;
  if (kind === 'text' || kind === 'refusal' || typeof part === 'string') return;
  if (kind === 'image_url') kinds.images += 1;
  else if (kind === 'input_audio') kinds.hasAudio = true;
  else kinds.isUnbounded = true;
}

function readMessageContent(kinds: ContentKinds, messages: Record<string, unknown>[]): void {
  for (const { content, audio } of messages) {
    if (Array.isArray(content)) for (const part of content) countPart(kinds, part);
    else if (isRecord(content)) countPart(kinds, content);
    // An assistant's earlier audio is named by id only: history that the gateway cannot see.
    if (isRecord(audio)) {
      kinds.hasAudio = true;
      kinds.isUnbounded = true;
    }
  }
}

function pricedTool(fields: Record<string, unknown>): ApiError | null {
  if (isGiven(fields.web_search_options)) {
    return apiError(
      'unsupported_content',
      'Web search has a price of its own that this gateway cannot hold; leave out "web_search_options".',
      { param: 'web_search_options' },
    );
  }
  const tools = Array.isArray(fields.tools) ? fields.tools : [];
  const odd = tools.findIndex((tool) => !isRecord(tool) || !FREE_TOOL_KINDS.has(String(tool.type)));
  if (odd === -1) return null;
  return apiError(
    'unsupported_content',
    'Only tools of type "function" and "custom" are served: tools run by the provider have prices of their own.',
    { param: `tools[${odd}].type` },
  );
}

/** Finds what breaks the rule "bytes bound tokens". Unknown kinds are held for at the context window, never guessed low. */
export function readContentKinds(
  fields: Record<string, unknown>,
  messages: Record<string, unknown>[],
): ContentKinds | ApiError {
  const refused = pricedTool(fields);
  if (refused !== null) return refused;
  const kinds: ContentKinds = { images: 0, hasAudio: false, isUnbounded: false, predictionBytes: 0 };
  readMessageContent(kinds, messages);
  if (HIDDEN_HISTORY_FIELDS.some((name) => isGiven(fields[name]))) kinds.isUnbounded = true;
  if (isRecord(fields.audio) || (Array.isArray(fields.modalities) && fields.modalities.includes('audio')))
    kinds.hasAudio = true;
  if (isRecord(fields.prediction)) kinds.predictionBytes = Buffer.byteLength(JSON.stringify(fields.prediction));
  return kinds;
}
