import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';

/** The last good snapshots on this machine's disk, for a start without NATS. Written seldom and small, hence synchronously. */
export class SnapshotCache {
  constructor(
    private readonly folder: string,
    private readonly onProblem: (error: unknown) => void,
  ) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Null when there is none, or it does not fit its schema any more. */
  read<Schema extends z.ZodType>(name: string, schema: Schema): z.output<Schema> | null {
    try {
      const result = schema.safeParse(JSON.parse(readFileSync(this.pathOf(name), 'utf8')));
      return result.success ? result.data : null;
    } catch {
      return null;
    }
  }

  /** Replaces the file in one step: a crash leaves the old one or the new one. */
  write(name: string, value: unknown): void {
    try {
      const temporary = `${this.pathOf(name)}.new`;
      writeFileSync(temporary, JSON.stringify(value), { mode: 0o600 });
      renameSync(temporary, this.pathOf(name));
    } catch (error) {
      this.onProblem(error);
    }
  }

  private pathOf(name: string): string {
    return join(this.folder, `${name}.json`);
  }
}
