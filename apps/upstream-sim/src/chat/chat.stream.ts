import type { Call } from './call.js';
import type { ChatPlan } from './chat.request.js';
import { ChunkWriter } from './chat.wire.js';

/** Without a pace, events are gathered into writes of about this size: thousands of tiny writes would measure the kernel. */
const WRITE_CHARACTERS = 16 * 1024;
/** What fault "malformed" takes off the end of the last event's JSON, with its blank line. */
const MALFORMED_CHARACTERS = 20;
const AFTER_CHUNKS_DEFAULT = 3;

/** Answers as server-sent events. All but the last write goes out as it is made; the last waits for the record. */
export async function answerStream(call: Call, plan: ChatPlan): Promise<void> {
  const writer = new ChunkWriter(plan, `chatcmpl-${call.id}`, Math.floor(call.record.startedAtMs / 1_000));
  call.head(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  const unsent = await sendContent(call, plan, writer);
  if (call.isGone) return call.settle('client_gone');
  switch (plan.sim.fault) {
    case 'cut':
      return call.breakOff(unsent, 'cut');
    case 'hang_midstream':
      return call.hang(unsent);
    default:
      return call.end(unsent + ending(call, plan, writer), 'completed');
  }
}

/** Sends roles and content; returns what may leave with the next write. */
async function sendContent(call: Call, plan: ChatPlan, writer: ChunkWriter): Promise<string> {
  const { record } = call;
  const { chunkMs = 0, firstTokenMs = 0, tokensPerChunk = 1 } = plan.sim;
  const chunksMax = breaksOff(plan) ? (plan.sim.afterChunks ?? AFTER_CHUNKS_DEFAULT) : Number.POSITIVE_INFINITY;
  let unsent = eachChoice(plan, (choice) => writer.role(choice));
  if (firstTokenMs > 0) {
    await call.write(unsent);
    unsent = '';
    await call.wait(firstTokenMs);
  }
  record.reasoningTokens = plan.reasoningTokens * plan.choices;
  record.completionTokens = record.reasoningTokens;
  let chunks = 0;
  for (let from = plan.reasoningTokens; from < plan.completionTokens && chunks < chunksMax && !call.isGone; chunks++) {
    const to = Math.min(from + tokensPerChunk, plan.completionTokens);
    if (chunks > 0 && chunkMs > 0) await call.wait(chunkMs);
    if (call.isGone) break;
    const span = { from, to };
    unsent += eachChoice(plan, (choice) => writer.content(choice, span));
    record.completionTokens += (to - from) * plan.choices;
    if (chunkMs > 0 || unsent.length >= WRITE_CHARACTERS) {
      await call.write(unsent);
      unsent = '';
    }
    from = to;
  }
  return unsent;
}

function breaksOff(plan: ChatPlan): boolean {
  return plan.sim.fault === 'cut' || plan.sim.fault === 'hang_midstream';
}

/** Finish reasons, usage if it is asked for, and the mark of the end. */
function ending(call: Call, plan: ChatPlan, writer: ChunkWriter): string {
  const finishes = eachChoice(plan, (choice) => writer.finish(choice));
  const hasUsage = plan.includeUsage && plan.sim.fault !== 'no_usage';
  const events = hasUsage ? finishes + writer.usage() : finishes;
  if (plan.sim.fault === 'malformed') return `${events.slice(0, -MALFORMED_CHARACTERS)}\n\n${writer.done()}`;
  call.record.usageSent = hasUsage;
  return events + writer.done();
}

function eachChoice(plan: ChatPlan, event: (choice: number) => string): string {
  let text = '';
  for (let choice = 0; choice < plan.choices; choice++) text += event(choice);
  return text;
}
