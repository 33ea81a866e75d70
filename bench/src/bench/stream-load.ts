import { connect } from 'node:net';
import type { Target } from './bench.types.js';
import { CHAT_PATH } from './load.types.js';

export const STREAM_CHUNKS = 64;
export const CHUNK_MS = 20;
/** A gap between two frames of a stream beyond this is a stall. */
export const STALL_MS = 500;
/** Streams each connection runs one after the other. */
const STREAMS_PER_CONNECTION = 2;
const STREAM_MS_MAX = 60_000;
const FRAME = Buffer.from('data: ');
const DONE = Buffer.from('data: [DONE]');

export interface StreamLoadResult {
  streams: number;
  broken: number;
  framesArrived: number;
  firstTokenMs: number[];
  gapsMs: number[];
  stalls: number;
}

/**
 * Runs `concurrency` streams at a time against a target. Raw sockets, because an HTTP client would cost this process more
 * than the gateway; frames are counted by their `data: ` prefix, which cannot stand inside the JSON of an event.
 */
export async function runStreams(target: Target, concurrency: number): Promise<StreamLoadResult> {
  const result: StreamLoadResult = { streams: 0, broken: 0, framesArrived: 0, firstTokenMs: [], gapsMs: [], stalls: 0 };
  const spreadMs = (STREAM_CHUNKS * CHUNK_MS) / concurrency;
  const connections = Array.from({ length: concurrency }, async (_, index) => {
    await new Promise((resolve) => setTimeout(resolve, index * spreadMs));
    for (let turn = 0; turn < STREAMS_PER_CONNECTION; turn++) await runStream(target, index, result);
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
    let sentAtMs = 0;
    let lastAtMs = 0;
    let frames = 0;
    let isDone = false;
    socket.setTimeout(STREAM_MS_MAX, () => socket.destroy());
    socket.once('connect', () => {
      sentAtMs = performance.now();
      socket.write(requestText(target, index));
    });
    socket.on('data', (chunk) => {
      const found = countFrames(chunk);
      if (found === 0) return;
      const nowMs = performance.now();
      if (frames === 0) result.firstTokenMs.push(nowMs - sentAtMs);
      else {
        result.gapsMs.push(nowMs - lastAtMs);
        if (nowMs - lastAtMs > STALL_MS) result.stalls++;
      }
      lastAtMs = nowMs;
      frames += found;
      if (chunk.includes(DONE)) isDone = true;
    });
    socket.once('error', () => undefined);
    socket.once('close', () => {
      result.streams++;
      result.framesArrived += frames;
      if (!isDone) result.broken++;
      resolve();
    });
  });
}

function countFrames(chunk: Buffer): number {
  let count = 0;
  for (let at = chunk.indexOf(FRAME); at !== -1; at = chunk.indexOf(FRAME, at + FRAME.length)) count++;
  return count;
}
