import type { Turn } from './turn.js';

/** Calls in one run of a script, so that none keeps Redis busy for more than about half a millisecond. */
export const CALLS_PER_RUN_MAX = 64;

interface Waiting<Call, Answer> {
  call: Call;
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
}

/** Runs a script for calls of one account; its answers are in the order of the calls. */
export type RunCalls<Call, Answer> = (accountTag: string, calls: Call[]) => Promise<Answer[]>;

/**
 * Calls of one account that come in the same turn of the event loop share one run of a script: what a run costs as such (the
 * command, the account, its day) is paid once for all of them. One account, because a script may touch one slot only.
 */
export class CallBatch<Call, Answer> {
  private waiting = new Map<string, Waiting<Call, Answer>[]>();

  constructor(
    private readonly turn: Turn,
    private readonly runCalls: RunCalls<Call, Answer>,
  ) {}

  add(accountTag: string, call: Call): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.waiting.size === 0) this.turn.atEnd(() => this.runAll());
      const ofAccount = this.waiting.get(accountTag);
      const waiting = { call, resolve, reject };
      if (ofAccount === undefined) this.waiting.set(accountTag, [waiting]);
      else ofAccount.push(waiting);
    });
  }

  private runAll(): void {
    const { waiting } = this;
    this.waiting = new Map();
    for (const [accountTag, calls] of waiting) {
      for (let first = 0; first < calls.length; first += CALLS_PER_RUN_MAX) {
        this.run(accountTag, calls.length <= CALLS_PER_RUN_MAX ? calls : calls.slice(first, first + CALLS_PER_RUN_MAX));
      }
    }
  }

  private run(accountTag: string, waiting: Waiting<Call, Answer>[]): void {
    this.runCalls(
      accountTag,
      waiting.map(({ call }) => call),
    ).then(
      (answers) => {
        for (const [index, { resolve }] of waiting.entries()) resolve(answers[index] as Answer);
      },
      (error: unknown) => {
        for (const { reject } of waiting) reject(error);
      },
    );
  }
}
