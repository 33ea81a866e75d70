/** Between two lines about problems of one kind. */
export const SPARING_LOG_MS = 30_000;

/**
 * Says the first problem at once and further ones seldom. An outage is met by every account and by every call of it: said each time,
 * it would fill the log and keep the gateway from its calls.
 */
export class SparingLog {
  private saidAtMs = Number.NEGATIVE_INFINITY;
  private unsaid = 0;

  /** `say`: the latest problem, and how many there were since the last line. `nowMs`: monotonic. */
  constructor(
    private readonly say: (error: unknown, unsaid: number) => void,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  note(error: unknown): void {
    const nowMs = this.nowMs();
    if (nowMs - this.saidAtMs < SPARING_LOG_MS) {
      this.unsaid += 1;
      return;
    }
    const { unsaid } = this;
    this.saidAtMs = nowMs;
    this.unsaid = 0;
    this.say(error, unsaid);
  }
}
