import { connect } from 'node:net';
import type { Target } from './bench.types.js';
import { CHAT_PATH } from './load.types.js';
import { FrameReader, StreamClock } from './stream-frames.js';

export const STREAM_CHUNKS = 64;
export const CHUNK_MS = 20;
/** A gap between two frames of a stream beyond this is a stall. */
export const STALL_MS = 500;
const STREAM_MS_MAX = 60_000;

export interface StreamLoad {
  concurrency: number;
  /** Streams that each connection's place runs one after the other. */
  perConnection: number;
}

export interface StreamLoadResult {
  streams: number;
  broken: number;
  framesArrived: number;
  firstTokenMs: number[];
  /** Between content chunks of one stream. */
  gapsMs: number[];
  stalls: number;
}

/** Runs `concurrency` streams at a time against a target. Raw sockets: an HTTP client would cost this process more than the gateway. */
export async function runStreams(target: Target, { concurrency, perConnection }: StreamLoad): Promise<StreamLoadResult> {
  const result: StreamLoadResult = { streams: 0, broken: 0, framesArrived: 0, firstTokenMs: [], gapsMs: [], stalls: 0 };
  const spreadMs = (STREAM_CHUNKS * CHUNK_MS) / concurrency;
  const connections = Array.from({ length: concurrency }, async (_, index) => {
    await new Promise((resolve) => setTimeout(resolve, index * spreadMs));
    for (let turn = 0; turn < perConnection; turn++) await runStream(target, index, result);
  });
  await Promise.all(connections);
  return result;
}

function requestText(target: Target, index: number): string {
  const body = JSON.stringify({
    model: target.model ?? 'gpt-4o-mini',
    stream: true,
    max_tokens: STREAM_CHUNKS,
    messages: [{ role: 'user', content: 'Count to sixty-four.' }],
    x_sim: { completionTokens: STREAM_CHUNKS, chunkMs: CHUNK_MS, promptTokens: 8 },
  });
  const { host } = new URL(target.url);
  const headers = Object.entries(target.headerSets[index % target.headerSets.length] as Record<string, string>);
  const head = [`POST ${CHAT_PATH} HTTP/1.1`, `host: ${host}`, 'content-type: application/json', 'connection: close'];
  head.push(...headers.map(([name, value]) => `${name}: ${value}`), `content-length: ${Buffer.byteLength(body)}`);
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

function runStream(target: Target, index: number, result: StreamLoadResult): Promise<void> {
  const { hostname, port } = new URL(target.url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const reader = new FrameReader();
    let clock = new StreamClock(0, STALL_MS);
    socket.setTimeout(STREAM_MS_MAX, () => socket.destroy());
    socket.once('connect', () => {
      clock = new StreamClock(performance.now(), STALL_MS);
      socket.write(requestText(target, index));
    });
    socket.on('data', (bytes) => clock.note(reader.read(bytes), performance.now()));
    socket.once('error', () => undefined);
    socket.once('close', () => {
      addStream(result, clock);
      resolve();
    });
  });
}

/** A stream in which no content was found is broken too: without it, its time to first token would be nobody's. */
function addStream(result: StreamLoadResult, { firstTokenMs, gapsMs, frames, stalls, isDone }: StreamClock): void {
  result.streams++;
  result.framesArrived += frames;
  result.stalls += stalls;
  if (firstTokenMs !== null) result.firstTokenMs.push(firstTokenMs);
  result.gapsMs.push(...gapsMs);
  if (!isDone || firstTokenMs === null) result.broken++;
}
