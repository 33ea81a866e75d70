import { isGiven, isRecord } from '../body/json-body.types.js';
import { pricedTier, pricedTool, unsupportedField } from '../body/priced-fields.types.js';
import type { ApiError } from '../errors/api-error.types.js';

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

function pricedField(fields: Record<string, unknown>): ApiError | null {
  if (isGiven(fields.web_search_options)) {
    return unsupportedField(
      'web_search_options',
      'Web search has a price of its own that this gateway cannot hold; leave out "web_search_options".',
    );
  }
  return pricedTool(fields.tools) ?? pricedTier(fields);
}

/** Finds what breaks the rule "bytes bound tokens". Unknown kinds are held for at the context window, never guessed low. */
export function readContentKinds(
  fields: Record<string, unknown>,
  messages: Record<string, unknown>[],
): ContentKinds | ApiError {
  const refused = pricedField(fields);
  if (refused !== null) return refused;
  const kinds: ContentKinds = { images: 0, hasAudio: false, isUnbounded: false, predictionBytes: 0 };
  readMessageContent(kinds, messages);
  if (HIDDEN_HISTORY_FIELDS.some((name) => isGiven(fields[name]))) kinds.isUnbounded = true;
  if (isRecord(fields.audio) || (Array.isArray(fields.modalities) && fields.modalities.includes('audio')))
    kinds.hasAudio = true;
  if (isRecord(fields.prediction)) kinds.predictionBytes = Buffer.byteLength(JSON.stringify(fields.prediction));
  return kinds;
}
