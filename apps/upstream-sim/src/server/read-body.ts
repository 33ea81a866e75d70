import type { IncomingMessage } from 'node:http';

/** Largest request body taken. Above it: 413. */
export const BODY_BYTES_MAX = 32 * 1024 * 1024;

export type BodyResult = { kind: 'read'; bytes: Buffer } | { kind: 'too_large' } | { kind: 'broken_off' };

/** Reads a whole request body. A plain listener: an async iterator costs more than the rest of a short call. */
export function readBody(req: IncomingMessage, done: (result: BodyResult) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  let isDone = false;
  const finish = (result: BodyResult) => {
    if (isDone) return;
    isDone = true;
    done(result);
  };
  req.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= BODY_BYTES_MAX) chunks.push(chunk);
    else finish({ kind: 'too_large' });
  });
  req.on('end', () =>
    finish({ kind: 'read', bytes: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length) }),
  );
  req.on('error', () => finish({ kind: 'broken_off' }));
}
