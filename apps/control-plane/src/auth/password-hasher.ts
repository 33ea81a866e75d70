import { Injectable } from '@nestjs/common';
import { hash, type Options, verify } from '@node-rs/argon2';
import { currentNetwork } from '../throttle/throttle.service.js';
import { authProblems } from './auth.errors.js';
import { FairQueue, QueueFullError } from './fair-queue.js';

/** OWASP's first choice for argon2id: 19 MiB, two passes, one lane. The library's default algorithm is argon2id. */
const ARGON2_OPTIONS: Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
/** Each hash occupies a thread of libuv's pool (4 by default) and 19 MiB; more at once would starve files and DNS. */
const HASHES_AT_ONCE_MAX = 2;
/** Beyond these in the queue the caller is told to come back: a flood of sign-ins must not become unbounded memory. */
const HASHES_WAITING_MAX = 200;
const HASHES_WAITING_PER_NETWORK_MAX = 50;
const BUSY_HEADERS = { 'retry-after': '1' };

@Injectable()
export class PasswordHasher {
  private readonly queue = new FairQueue({
    atOnceMax: HASHES_AT_ONCE_MAX,
    waitingMax: HASHES_WAITING_MAX,
    waitingPerGroupMax: HASHES_WAITING_PER_NETWORK_MAX,
  });
  /** Checked when there is no such user, so that the answer takes as long as for one that exists. */
  private readonly decoy = hash('decoy', ARGON2_OPTIONS);

  /** argon2id in PHC format. */
  create(password: string): Promise<string> {
    return this.take(() => hash(normalise(password), ARGON2_OPTIONS));
  }

  /** False for a wrong password and, after the same work, for a user that does not exist or has none (`stored` null). */
  async matches(stored: string | null, password: string): Promise<boolean> {
    const against = stored ?? (await this.decoy);
    const isMatch = await this.take(() => verify(against, normalise(password)));
    return isMatch && stored !== null;
  }

  private async take<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.queue.run(currentNetwork(), work);
    } catch (err) {
      throw err instanceof QueueFullError ? authProblems.sign_in_busy({ headers: BUSY_HEADERS, cause: err }) : err;
    }
  }
}

/** The same letters are sent composed by one keyboard and decomposed by another. */
function normalise(password: string): string {
  return password.normalize('NFC');
}
