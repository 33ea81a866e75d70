import { isRecord } from '../body/json-body.types.js';
import { type ApiError, apiError } from '../errors/api-error.types.js';

/** What a Messages body contains besides text, as far as it bears on the most it can cost. */
export interface MessagesContent {
  images: number;
  /** Something is in it whose tokens cannot be bounded from its bytes: the whole context window is held. */
  isUnbounded: boolean;
  /** Bytes of images in the body itself: they are not text, and are held for as images. */
  imageBytes: number;
  /** Tools that bring a prompt of the provider's own. */
  clientTools: number;
}

/** A tool's result holds blocks, but no further result: one inside another is held for at the context window. */
const WITHIN_RESULT = /\.content\[\d+\]\.content/;
/** Blocks whose tokens their bytes bound. */
const TEXT_BLOCKS = new Set(['text', 'tool_use', 'search_result']);
/** Tools that the client runs and that have no price of their own, by the name before their date. */
const CLIENT_TOOLS = /^(bash|text_editor|computer|memory)_\d+$/;
/** The only lifetime of a cache entry that the price book knows; a longer one is written at a dearer rate. */
const CACHE_LIFETIME = '5m';

export function unsupported(param: string, message: string): ApiError {
  return apiError('unsupported_content', message, { param });
}

/** Null where it costs what the price book says. */
export function cacheProblem(holder: Record<string, unknown>, path: string): ApiError | null {
  const control = holder.cache_control;
  if (!isRecord(control) || (control.ttl ?? CACHE_LIFETIME) === CACHE_LIFETIME) return null;
  const param = `${path === '' ? '' : `${path}.`}cache_control.ttl`;
  return unsupported(param, `"${param}" must be "${CACHE_LIFETIME}": longer-lived cache entries have a price of their own.`);
}

function countImage(content: MessagesContent, block: Record<string, unknown>): void {
  content.images += 1;
  const { source } = block;
  // The text of a JSON string is never longer than what stands for it in the body, so this never subtracts too much.
  if (isRecord(source) && source.type === 'base64' && typeof source.data === 'string')
    content.imageBytes += Buffer.byteLength(source.data);
}

/** Counts the blocks of `value`, or finds what cannot be served. Text alone needs no look. */
export function readBlocks(content: MessagesContent, value: unknown, path: string): ApiError | null {
  if (isRecord(value)) content.isUnbounded = true;
  if (!Array.isArray(value)) return null;
  for (const [index, block] of value.entries()) {
    const problem = isRecord(block) ? readBlock(content, block, `${path}[${index}]`) : null;
    if (problem !== null) return problem;
  }
  return null;
}

function readBlock(content: MessagesContent, block: Record<string, unknown>, path: string): ApiError | null {
  const problem = cacheProblem(block, path);
  if (problem !== null) return problem;
  if (block.type === 'image') countImage(content, block);
  else if (block.type === 'tool_result' && !WITHIN_RESULT.test(path))
    return readBlocks(content, block.content, `${path}.content`);
  // Documents, files, and thinking that comes back encrypted: bytes say nothing about tokens.
  else if (!TEXT_BLOCKS.has(String(block.type))) content.isUnbounded = true;
  return null;
}

/** Tools: the client's own, those that the client runs for the provider, and those that cost extra. */
export function readTools(content: MessagesContent, tools: unknown): ApiError | null {
  if (!Array.isArray(tools)) return null;
  for (const [index, tool] of tools.entries()) {
    const type = isRecord(tool) ? (tool.type ?? 'custom') : undefined;
    if (isRecord(tool) && typeof type === 'string' && CLIENT_TOOLS.test(type)) content.clientTools += 1;
    else if (type !== 'custom') {
      return unsupported(
        `tools[${index}].type`,
        `"tools[${index}]": only tools that the client runs are served; those of the provider have prices of their own.`,
      );
    }
    const problem = cacheProblem(tool as Record<string, unknown>, `tools[${index}]`);
    if (problem !== null) return problem;
  }
  return null;
}
