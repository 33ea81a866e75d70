import { Injectable } from '@nestjs/common';
import { hash, type Options, verify } from '@node-rs/argon2';

/** OWASP's first choice for argon2id: 19 MiB, two passes, one lane. The library's default algorithm is argon2id. */
const ARGON2_OPTIONS: Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
/** Each hash occupies a thread of libuv's pool (4 by default) and 19 MiB; more at once would starve files and DNS. */
const HASHES_AT_ONCE_MAX = 2;
/** Beyond this many in the queue the caller is told to come back: a flood of sign-ins must not become unbounded memory. */
const HASHES_QUEUED_MAX = 100;

export class PasswordHasherBusyError extends Error {
  override name = 'PasswordHasherBusyError';
}

@Injectable()
export class PasswordHasher {
  private running = 0;
  private readonly queue: (() => void)[] = [];
  /** Checked when there is no such user, so that the answer takes as long as for one that exists. */
  private readonly decoy = hash('decoy', ARGON2_OPTIONS);

  /** argon2id in PHC format. */
  create(password: string): Promise<string> {
    return this.take(() => hash(password, ARGON2_OPTIONS));
  }

  /** False for a wrong password and, after the same work, for a user that does not exist (`stored` null). */
  async matches(stored: string | null, password: string): Promise<boolean> {
    const against = stored ?? (await this.decoy);
    const isMatch = await this.take(() => verify(against, password));
    return isMatch && stored !== null;
  }

  private async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= HASHES_AT_ONCE_MAX) {
      if (this.queue.length >= HASHES_QUEUED_MAX) throw new PasswordHasherBusyError('too many passwords are being checked');
      await new Promise<void>((resolve) => this.queue.push(resolve));
    } else {
      this.running += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.queue.shift();
      if (next === undefined) this.running -= 1;
      else next();
    }
  }
}
