import { closeSync, openSync, readSync, statSync } from 'node:fs';

/** What was written to a log since it was so long. */
export function readFrom(file: string, offset: number): string {
  const size = statSync(file).size - offset;
  if (size <= 0) return '';
  const buffer = Buffer.alloc(size);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, buffer, 0, size, offset);
  } finally {
    closeSync(descriptor);
  }
  return buffer.toString('latin1');
}
