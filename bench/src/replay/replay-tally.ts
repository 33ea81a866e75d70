import type { CallPlan } from './call-plan.js';
import type { CallResult } from './gateway-client.js';
import { type Distribution, distribution } from './percentiles.js';
import type { VisibilityPoller } from './visibility.js';

/** Kinds of failure told apart; what comes after is counted in `failed` alone. */
const FAILURE_KINDS_MAX = 20;

export interface FailureKind {
  problem: string;
  count: number;
  /** One of the calls; null when none got an id. */
  requestId: string | null;
}

export interface TallyFigures {
  requests: number;
  /** Answered whole and exactly as asked. */
  answered: number;
  failed: number;
  /** The first few kinds. */
  failures: FailureKind[];
  streamed: number;
  inputTokens: number;
  outputTokens: number;
  durationMs: number;
  requestsPerSecond: number;
  latencyMs: Distribution;
  /** Sent → response head. */
  headMs: Distribution;
}

/** Counts and times of one replay. */
export class ReplayTally {
  private readonly total: number;
  private readonly latenciesMs: number[] = [];
  private readonly headsMs: number[] = [];
  private readonly failures = new Map<string, FailureKind>();
  private answered = 0;
  private failed = 0;
  private streamed = 0;
  private inputTokens = 0;
  private outputTokens = 0;
  private beganAtMs = 0;
  private endedAtMs: number | null = null;
  private lastProgress = { done: 0, atMs: 0 };

  constructor(total: number) {
    this.total = total;
  }

  begin(): void {
    this.beganAtMs = performance.now();
    this.lastProgress = { done: 0, atMs: this.beganAtMs };
  }

  end(): void {
    this.endedAtMs = performance.now();
  }

  add(plan: CallPlan, result: CallResult): void {
    if (plan.stream) this.streamed++;
    if (result.problem !== null) {
      this.failed++;
      this.addFailure(result.problem, result.requestId);
      return;
    }
    this.answered++;
    this.inputTokens += plan.promptTokens;
    this.outputTokens += plan.completionTokens;
    this.latenciesMs.push(result.latencyMs);
    this.headsMs.push(result.headMs);
  }

  private addFailure(problem: string, requestId: string | null): void {
    const kind = this.failures.get(problem);
    if (kind) kind.count++;
    else if (this.failures.size < FAILURE_KINDS_MAX) this.failures.set(problem, { problem, count: 1, requestId });
  }

  /** Counts so far, and the rate since the last time it was asked. */
  progress(): string {
    const atMs = performance.now();
    const done = this.answered + this.failed;
    const rate = ((done - this.lastProgress.done) / Math.max(1, atMs - this.lastProgress.atMs)) * 1_000;
    this.lastProgress = { done, atMs };
    return `${done}/${this.total}  ${Math.round(rate)} req/s  errors ${this.failed}`;
  }

  figures(): TallyFigures {
    const durationMs = Math.round((this.endedAtMs ?? performance.now()) - this.beganAtMs);
    const done = this.answered + this.failed;
    return {
      requests: done,
      answered: this.answered,
      failed: this.failed,
      failures: [...this.failures.values()],
      streamed: this.streamed,
      inputTokens: this.inputTokens,
      outputTokens: this.outputTokens,
      durationMs,
      requestsPerSecond: Math.round((done / Math.max(1, durationMs)) * 10_000) / 10,
      latencyMs: distribution(this.latenciesMs),
      headMs: distribution(this.headsMs),
    };
  }

  visible({ delaysMs, unseen, failedPolls }: VisibilityPoller): Distribution & { unseen: number; failedPolls: number } {
    return { ...distribution(delaysMs), unseen, failedPolls };
  }
}
