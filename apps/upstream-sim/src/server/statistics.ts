import { ORACLE_OUTCOMES, type OracleRecord } from '@tensorloop/contracts/oracle-record';

/** Counters since the process began, in Prometheus' text format. */
export class Statistics {
  openCalls = 0;
  private readonly calls = new Map<OracleRecord['outcome'], number>(ORACLE_OUTCOMES.map((outcome) => [outcome, 0]));
  private promptTokens = 0;
  private completionTokens = 0;

  count(record: OracleRecord): void {
    this.calls.set(record.outcome, (this.calls.get(record.outcome) ?? 0) + 1);
    this.promptTokens += record.promptTokens;
    this.completionTokens += record.completionTokens;
  }

  /** For tests that wait until a call has arrived. */
  snapshot(): { openCalls: number; calls: Record<string, number>; promptTokens: number; completionTokens: number } {
    const { openCalls, promptTokens, completionTokens } = this;
    return { openCalls, calls: Object.fromEntries(this.calls), promptTokens, completionTokens };
  }

  render(): string {
    const lines = ['# TYPE upstream_sim_calls_total counter'];
    for (const [outcome, count] of this.calls) lines.push(`upstream_sim_calls_total{outcome="${outcome}"} ${count}`);
    lines.push('# TYPE upstream_sim_tokens_total counter');
    lines.push(`upstream_sim_tokens_total{kind="prompt"} ${this.promptTokens}`);
    lines.push(`upstream_sim_tokens_total{kind="completion"} ${this.completionTokens}`);
    lines.push('# TYPE upstream_sim_open_calls gauge', `upstream_sim_open_calls ${this.openCalls}`);
    lines.push('# TYPE process_resident_memory_bytes gauge', `process_resident_memory_bytes ${process.memoryUsage.rss()}`);
    return `${lines.join('\n')}\n`;
  }
}
