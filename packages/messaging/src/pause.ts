/** A sleep that can be ended early. One sleeper at a time; a wake that meets no sleeper is forgotten. */
export class Pause {
  private finish: (() => void) | null = null;

  sleep(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake(), durationMs);
      this.finish = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  wake(): void {
    const finish = this.finish;
    this.finish = null;
    finish?.();
  }
}
