export class QueueFullError extends Error {
  override name = 'QueueFullError';
}

export interface QueueBounds {
  atOnceMax: number;
  waitingMax: number;
  waitingPerGroupMax: number;
}

interface Waiting {
  start: () => void;
  refuse: (err: QueueFullError) => void;
}

/**
 * Work of which little may run at once, shared out among groups in turn: a group that floods it waits behind itself, and
 * one that comes once is next after at most one of each. When it is full, the newest of the longest group makes room for a
 * group that has less.
 */
export class FairQueue {
  private running = 0;
  private waiting = 0;
  /** In the order of their turns. */
  private readonly groups = new Map<string, Waiting[]>();

  constructor(private readonly bounds: QueueBounds) {}

  /** Rejects with QueueFullError when the group, or all of them together, wait for too much already. */
  async run<T>(group: string, work: () => Promise<T>): Promise<T> {
    if (this.running < this.bounds.atOnceMax) this.running += 1;
    else await this.wait(group);
    try {
      return await work();
    } finally {
      const next = this.takeNext();
      if (next === null) this.running -= 1;
      else next.start();
    }
  }

  private wait(group: string): Promise<void> {
    const own = this.groups.get(group)?.length ?? 0;
    if (own >= this.bounds.waitingPerGroupMax) throw new QueueFullError('this group waits for too much already');
    if (this.waiting >= this.bounds.waitingMax) this.makeRoomFor(own);
    return new Promise((start, refuse) => {
      const list = this.groups.get(group) ?? [];
      list.push({ start, refuse });
      this.groups.set(group, list);
      this.waiting += 1;
    });
  }

  private makeRoomFor(own: number): void {
    let longest: Waiting[] = [];
    for (const list of this.groups.values()) if (list.length > longest.length) longest = list;
    if (longest.length <= own + 1) throw new QueueFullError('too much is waiting');
    longest.pop()?.refuse(new QueueFullError('made room for others'));
    this.waiting -= 1;
  }

  private takeNext(): Waiting | null {
    const [entry] = this.groups;
    if (entry === undefined) return null;
    const [group, list] = entry;
    const next = list.shift() as Waiting;
    this.waiting -= 1;
    // To the back: its next turn comes after one of every other group.
    this.groups.delete(group);
    if (list.length > 0) this.groups.set(group, list);
    return next;
  }
}
