/** Streams are kept in blocks of this size. */
export const KEPT_BLOCK_BYTES = 4096;
/** Of blocks nobody uses, this many wait for the next stream. */
const FREE_BLOCKS_MAX = 1024;

/**
 * The memory of all streams that are kept while they run. An event is copied into it: a buffer per event would live as long as its
 * stream, and buffers cost several times the 200 bytes of an event, on V8's heap and beside it. Blocks are used again, so that
 * streams leave nothing behind that has to be collected.
 */
export class KeptBlocks {
  private readonly free: Buffer[] = [];
  private taken = 0;

  constructor(private readonly blocksMax: number) {}

  get blocksTaken(): number {
    return this.taken;
  }

  /** A block with whatever was in it before, or null if as many are in use as there may be. */
  take(): Buffer | null {
    if (this.taken === this.blocksMax) return null;
    this.taken++;
    return this.free.pop() ?? Buffer.allocUnsafeSlow(KEPT_BLOCK_BYTES);
  }

  give(blocks: readonly Buffer[]): void {
    this.taken -= blocks.length;
    for (const block of blocks) if (this.free.length < FREE_BLOCKS_MAX) this.free.push(block);
  }
}
