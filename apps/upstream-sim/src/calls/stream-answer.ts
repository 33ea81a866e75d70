import type { XSim } from '../faults/x-sim.js';
import type { Call } from './call.js';

/** Without a pace, events are gathered into writes of about this size: thousands of tiny writes would measure the kernel. */
const WRITE_CHARACTERS = 16 * 1024;
/** What fault "malformed" takes off the end of the last event's JSON, with its blank line. */
const MALFORMED_CHARACTERS = 20;
const AFTER_CHUNKS_DEFAULT = 3;

/** Tokens [from, to) of an answer. */
export interface TokenSpan {
  from: number;
  to: number;
}

/** A stream of server-sent events, in the words of one vendor. */
export interface StreamScript {
  sim: XSim;
  /** Tokens of each choice, and how many of them come first and have no text. */
  completionTokens: number;
  reasoningTokens: number;
  choices: number;
  opening(): string;
  chunk(span: TokenSpan): string;
  /** What comes after the last chunk. With fault "malformed" it loses its last characters, then `done` follows. */
  ending(): string;
  done: string;
  /** Whether `ending` reports usage. */
  hasUsage: boolean;
}

/** Answers as server-sent events. All but the last write goes out as it is made; the last waits for the record. */
export async function answerStream(call: Call, script: StreamScript): Promise<void> {
  call.head(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  const unsent = await sendContent(call, script);
  if (call.isGone) return call.settle('client_gone');
  switch (script.sim.fault) {
    case 'cut':
      return call.breakOff(unsent, 'cut');
    case 'hang_midstream':
      return call.hang(unsent);
    default:
      return call.end(unsent + ending(call, script), 'completed');
  }
}

/** Sends the opening and the content; returns what may leave with the next write. */
async function sendContent(call: Call, script: StreamScript): Promise<string> {
  const { record } = call;
  const { sim, choices, reasoningTokens, completionTokens } = script;
  const { chunkMs = 0, firstTokenMs = 0, tokensPerChunk = 1 } = sim;
  const chunksMax = breaksOff(sim) ? (sim.afterChunks ?? AFTER_CHUNKS_DEFAULT) : Number.POSITIVE_INFINITY;
  let unsent = script.opening();
  if (firstTokenMs > 0) {
    await call.write(unsent);
    unsent = '';
    await call.wait(firstTokenMs);
  }
  record.reasoningTokens = reasoningTokens * choices;
  record.completionTokens = record.reasoningTokens;
  let chunks = 0;
  for (let from = reasoningTokens; from < completionTokens && chunks < chunksMax && !call.isGone; chunks++) {
    const to = Math.min(from + tokensPerChunk, completionTokens);
    if (chunks > 0 && chunkMs > 0) await call.wait(chunkMs);
    if (call.isGone) break;
    unsent += script.chunk({ from, to });
    record.completionTokens += (to - from) * choices;
    if (chunkMs > 0 || unsent.length >= WRITE_CHARACTERS) {
      await call.write(unsent);
      unsent = '';
    }
    from = to;
  }
  return unsent;
}

function breaksOff(sim: XSim): boolean {
  return sim.fault === 'cut' || sim.fault === 'hang_midstream';
}

function ending(call: Call, script: StreamScript): string {
  const events = script.ending();
  if (script.sim.fault === 'malformed') return `${events.slice(0, -MALFORMED_CHARACTERS)}\n\n${script.done}`;
  call.record.usageSent = script.hasUsage;
  return events + script.done;
}

/** One server-sent event with a name, as Anthropic and OpenAI's Responses send them. */
export function namedEvent(type: string, fields: Record<string, unknown>): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}
