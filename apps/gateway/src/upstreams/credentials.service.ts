import { readFileSync, type Stats, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** A secret's file is looked at again after this long, so that a rotation needs no restart. */
export const FILE_CHECK_MS = 1_000;
/** Shorter values could occur in an error text by chance, and are no secrets worth the name. */
const SECRET_LENGTH_MIN = 8;
/** Backslashes before one character that are looked at, so that a text of nothing else takes no longer than others. */
const ESCAPES_MAX = 8;
const REDACTED = '[redacted]';

export type ReadEnvironment = (name: string) => string | undefined;

interface FileSecret {
  value: string | null;
  /** What it was before: calls that were sent with it are still being answered. */
  previous: string | null;
  /** Changes when the file does; an atomic replacement changes the inode. */
  mark: string;
  checkedAtMs: number;
}

/**
 * Resolves references to provider credentials (`env:NAME`, `file:///path`) on this machine. The catalogue carries references
 * only, so a secret never crosses the network nor lies in a database; values are handed to the upstream's header and nowhere else.
 */
export class Credentials {
  private readonly files = new Map<string, FileSecret>();

  constructor(
    private readonly readEnvironment: ReadEnvironment,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The secret, or null when the reference points at nothing here. */
  resolve(reference: string): string | null {
    if (reference.startsWith('env:')) return this.readEnvironment(reference.slice('env:'.length)) ?? null;
    const known = this.files.get(reference);
    if (known === undefined) return this.remember(reference, readOrNull(reference));
    if (this.now() - known.checkedAtMs > FILE_CHECK_MS) void this.refresh(reference, known);
    return known.value;
  }

  /** The text without the secret behind the reference, as providers like to quote it back. */
  scrub(text: string, reference: string | null): string {
    if (reference === null) return text;
    let clean = text;
    for (const secret of [this.resolve(reference), this.files.get(reference)?.previous ?? null]) {
      if (secret === null || secret.length < SECRET_LENGTH_MIN) continue;
      clean = clean.replace(anySpellingOf(secret), REDACTED);
    }
    return clean;
  }

  private async refresh(reference: string, known: FileSecret): Promise<void> {
    known.checkedAtMs = this.now();
    try {
      const path = fileURLToPath(reference);
      const mark = markOf(await stat(path));
      if (mark !== known.mark) this.remember(reference, { mark, value: (await readFile(path, 'utf8')).trim() });
    } catch {
      // The last value that was read stays in force: a file being replaced is missing for an instant.
    }
  }

  private remember(reference: string, read: { value: string | null; mark: string }): string | null {
    const known = this.files.get(reference);
    // Two looks at a file may overlap; the second one then reads what the first has, and that is not what it was before.
    const previous = known === undefined || known.value !== read.value ? (known?.value ?? null) : known.previous;
    this.files.set(reference, { ...read, previous, checkedAtMs: this.now() });
    return read.value;
  }
}

/**
 * The secret with any of its characters as they are, escaped as in JSON (twice over, where one text quotes another), or encoded
 * as in an address: whatever reads the text would turn all of them into the secret again.
 */
function anySpellingOf(secret: string): RegExp {
  return new RegExp([...Array(secret.length).keys()].map((at) => anySpellingOfUnit(secret.charAt(at))).join(''), 'g');
}

function anySpellingOfUnit(unit: string): string {
  const code = unit.charCodeAt(0);
  const plain = [unit, JSON.stringify(unit).slice(1, -1)].map(asPattern);
  const encoded = code < 0x80 ? `|%${anyCase(hexOf(code, 2))}` : '';
  return `(?:\\\\{0,${ESCAPES_MAX}}(?:${plain.join('|')}|\\\\u${anyCase(hexOf(code, 4))})${encoded})`;
}

function asPattern(text: string): string {
  return [...Array(text.length).keys()].map((at) => `\\u${hexOf(text.charCodeAt(at), 4)}`).join('');
}

function hexOf(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}

function anyCase(hex: string): string {
  return hex.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}

function markOf({ ino, mtimeMs, size }: Stats): string {
  return `${ino}:${mtimeMs}:${size}`;
}

function readOrNull(reference: string): { value: string | null; mark: string } {
  try {
    const path = fileURLToPath(reference);
    const mark = markOf(statSync(path));
    return { mark, value: readFileSync(path, 'utf8').trim() };
  } catch {
    return { mark: '', value: null };
  }
}
