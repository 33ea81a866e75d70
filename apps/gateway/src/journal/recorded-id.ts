import { existsSync } from 'node:fs';
import type { Frame } from './frame.js';
import { SegmentFiles } from './segment-files.js';

/**
 * The gateway id in the newest record that names one, or null when no record does: then the journal owes nothing. Reads segments
 * from the end on, and whole ones only until one answers.
 */
export function recordedIdOf(segmentsFolder: string): string | null {
  if (!existsSync(segmentsFolder)) return null;
  const files = new SegmentFiles(segmentsFolder);
  for (const segment of files.list().reverse()) {
    for (const frame of files.read(segment).frames.reverse()) {
      const id = namedIn(frame);
      if (id !== null) return id;
    }
  }
  return null;
}

function namedIn({ type, payload }: Frame): string | null {
  if (type !== 'accepted' && type !== 'completed') return null;
  const { gatewayId } = JSON.parse(payload) as { gatewayId?: unknown };
  return typeof gatewayId === 'string' ? gatewayId : null;
}
