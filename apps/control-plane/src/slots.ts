export interface SlotBounds {
  /** Of this process. */
  totalMax: number;
  /** Of one holder, so that nobody has all of them. */
  perHolderMax: number;
}

/** Long work of which a process does little at once, and an account or a person no more than a share. */
export class Slots {
  private readonly held = new Map<string, number>();
  private total = 0;

  constructor(private readonly bounds: SlotBounds) {}

  /** What gives the slot back, once, however often it is called; null when there is none. */
  take(holder: string): (() => void) | null {
    const own = this.held.get(holder) ?? 0;
    if (this.total >= this.bounds.totalMax || own >= this.bounds.perHolderMax) return null;
    this.total += 1;
    this.held.set(holder, own + 1);
    let isHeld = true;
    return () => {
      if (isHeld) this.giveBack(holder);
      isHeld = false;
    };
  }

  private giveBack(holder: string): void {
    this.total -= 1;
    const left = (this.held.get(holder) ?? 1) - 1;
    if (left === 0) this.held.delete(holder);
    else this.held.set(holder, left);
  }
}
