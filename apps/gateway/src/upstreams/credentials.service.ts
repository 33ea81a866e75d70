import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** A secret in a file is read again after this long, so that a rotation needs no restart. */
export const FILE_SECRET_REFRESH_MS = 60_000;

export type ReadEnvironment = (name: string) => string | undefined;

interface FileSecret {
  value: string | null;
  readAtMs: number;
}

/**
 * Resolves references to provider credentials (`env:NAME`, `file:///path`) on this machine. The catalogue carries references
 * only, so a secret never crosses the network nor lies in a database; values are handed to the upstream's header and nowhere else.
 */
export class Credentials {
  private readonly files = new Map<string, FileSecret>();

  constructor(private readonly readEnvironment: ReadEnvironment) {}

  /** The secret, or null when the reference points at nothing here. */
  resolve(reference: string): string | null {
    if (reference.startsWith('env:')) return this.readEnvironment(reference.slice('env:'.length)) ?? null;
    const known = this.files.get(reference);
    if (known === undefined) return this.remember(reference, readOrNull(reference));
    if (Date.now() - known.readAtMs > FILE_SECRET_REFRESH_MS) void this.refresh(reference, known);
    return known.value;
  }

  private async refresh(reference: string, known: FileSecret): Promise<void> {
    known.readAtMs = Date.now();
    try {
      this.remember(reference, (await readFile(fileURLToPath(reference), 'utf8')).trim());
    } catch {
      // The last value that was read stays in force: a file being replaced is missing for an instant.
    }
  }

  private remember(reference: string, value: string | null): string | null {
    this.files.set(reference, { value, readAtMs: Date.now() });
    return value;
  }
}

function readOrNull(reference: string): string | null {
  try {
    return readFileSync(fileURLToPath(reference), 'utf8').trim();
  } catch {
    return null;
  }
}
