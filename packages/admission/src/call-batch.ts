import type { Turn } from './turn.js';

/** Calls of one kind in one run of a script, so that none keeps Redis busy for more than about half a millisecond. */
export const CALLS_PER_RUN_MAX = 64;

interface Waiting<Call, Answer> {
  call: Call;
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
}

/** What one account asks for in one turn. */
interface WaitingOfAccount<Call, Admitted, Settled> {
  admissions: Waiting<Call, Admitted>[];
  settlements: Waiting<Call, Settled>[];
}

/** Answers in the order of the calls. A kind without calls has none. */
export interface RunAnswers<Admitted, Settled> {
  admitted: Promise<Admitted[]>;
  settled: Promise<Settled[]>;
}

/** Runs a script for calls of one account: first those that end, then those to be admitted. */
export type RunCalls<Call, Admitted, Settled> = (
  accountTag: string,
  calls: { admissions: Call[]; settlements: Call[] },
) => RunAnswers<Admitted, Settled>;

/**
 * Calls of one account that begin or end in the same turn of the event loop share one run of a script: what a run costs as such
 * (the command, the account, its day) is paid once for all of them. One account, because a script may touch one slot only.
 */
export class CallBatch<Call, Admitted, Settled> {
  private waiting = new Map<string, WaitingOfAccount<Call, Admitted, Settled>>();

  constructor(
    private readonly turn: Turn,
    private readonly runCalls: RunCalls<Call, Admitted, Settled>,
  ) {}

  admit(accountTag: string, call: Call): Promise<Admitted> {
    return new Promise((resolve, reject) => {
      this.ofAccount(accountTag).admissions.push({ call, resolve, reject });
    });
  }

  settle(accountTag: string, call: Call): Promise<Settled> {
    return new Promise((resolve, reject) => {
      this.ofAccount(accountTag).settlements.push({ call, resolve, reject });
    });
  }

  private ofAccount(accountTag: string): WaitingOfAccount<Call, Admitted, Settled> {
    if (this.waiting.size === 0) this.turn.atEnd(() => this.runAll());
    let ofAccount = this.waiting.get(accountTag);
    if (ofAccount === undefined) {
      ofAccount = { admissions: [], settlements: [] };
      this.waiting.set(accountTag, ofAccount);
    }
    return ofAccount;
  }

  private runAll(): void {
    const { waiting } = this;
    this.waiting = new Map();
    for (const [accountTag, { admissions, settlements }] of waiting) {
      const runs = Math.ceil(Math.max(admissions.length, settlements.length) / CALLS_PER_RUN_MAX);
      for (let run = 0; run < runs; run++)
        this.run(accountTag, { admissions: part(admissions, run), settlements: part(settlements, run) });
    }
  }

  private run(accountTag: string, { admissions, settlements }: WaitingOfAccount<Call, Admitted, Settled>): void {
    const answers = this.runCalls(accountTag, { admissions: admissions.map(callOf), settlements: settlements.map(callOf) });
    pass(answers.admitted, admissions);
    pass(answers.settled, settlements);
  }
}

function part<T>(list: T[], run: number): T[] {
  return list.length <= CALLS_PER_RUN_MAX && run === 0
    ? list
    : list.slice(run * CALLS_PER_RUN_MAX, (run + 1) * CALLS_PER_RUN_MAX);
}

function callOf<Call, Answer>({ call }: Waiting<Call, Answer>): Call {
  return call;
}

function pass<Call, Answer>(answers: Promise<Answer[]>, waiting: Waiting<Call, Answer>[]): void {
  answers.then(
    (list) => {
      for (const [index, { resolve }] of waiting.entries()) resolve(list[index] as Answer);
    },
    (error: unknown) => {
      for (const { reject } of waiting) reject(error);
    },
  );
}
