import type { Deployment } from '@tensorloop/contracts/model-catalogue';

/** A call waits for a place for this long at most, then the next deployment is tried. */
export const QUEUE_MS_MAX = 10_000;

type Limits = Pick<Deployment, 'concurrencyMax' | 'queueMax'>;

interface Waiting {
  /** False when the place is not wanted any more. */
  onPlace: () => boolean;
  timer: NodeJS.Timeout;
}

/** The places at one deployment, and the queue for them: first come, first served; both bounded by the catalogue. */
export class Places {
  private taken = 0;
  private readonly queue = new Set<Waiting>();

  /** Limits are read at each use, so that a changed catalogue binds at once. */
  constructor(
    private readonly limits: () => Limits,
    private readonly queueMs: number = QUEUE_MS_MAX,
  ) {}

  get inFlight(): number {
    return this.taken;
  }

  get queued(): number {
    return this.queue.size;
  }

  get room(): 'free' | 'queue' | 'none' {
    const { queueMax } = this.limits();
    // Who comes last does not overtake those who wait.
    if (this.isFree && this.queue.size === 0) return 'free';
    return this.queue.size < queueMax ? 'queue' : 'none';
  }

  /** Only when `room` is free. */
  take(): void {
    this.taken += 1;
  }

  /** Only when `room` is queue. One of the two is called, once; the place is taken when `onPlace` is. */
  wait(onPlace: () => boolean, onTimeout: () => void): void {
    const waiting: Waiting = {
      onPlace,
      timer: setTimeout(() => {
        this.queue.delete(waiting);
        onTimeout();
      }, this.queueMs),
    };
    // A process that is ending has ended its calls already and need not wait for this.
    waiting.timer.unref();
    this.queue.add(waiting);
  }

  giveBack(): void {
    this.taken -= 1;
    this.serveQueue();
  }

  /** To be called when limits have grown, too. */
  serveQueue(): void {
    for (const waiting of this.queue) {
      if (!this.isFree) return;
      this.queue.delete(waiting);
      clearTimeout(waiting.timer);
      this.taken += 1;
      if (!waiting.onPlace()) this.taken -= 1;
    }
  }

  private get isFree(): boolean {
    const { concurrencyMax } = this.limits();
    return concurrencyMax === null || this.taken < concurrencyMax;
  }
}
