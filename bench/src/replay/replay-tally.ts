import type { CallPlan } from './call-plan.js';
import type { CallResult } from './gateway-client.js';
import { type Distribution, distribution } from './percentiles.js';
import type { VisibilityPoller } from './visibility.js';

const FAILURE_EXAMPLES_MAX = 20;

export interface TallyFigures {
  requests: number;
  /** Answered whole and exactly as asked. */
  answered: number;
  failed: number;
  /** Sentences, the first few. */
  failures: string[];
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
  private readonly failures: string[] = [];
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
      if (this.failures.length < FAILURE_EXAMPLES_MAX) this.failures.push(`${result.requestId ?? 'a call'}: ${result.problem}`);
      return;
    }
    this.answered++;
    this.inputTokens += plan.promptTokens;
    this.outputTokens += plan.completionTokens;
    this.latenciesMs.push(result.latencyMs);
    this.headsMs.push(result.headMs);
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
      failures: this.failures,
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
