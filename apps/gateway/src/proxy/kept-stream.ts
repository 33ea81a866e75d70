import { KEPT_BLOCK_BYTES, type KeptBlocks } from './kept-blocks.js';

/** Of a stream at most this much is kept, to count it should the upstream report no usage. */
export const KEPT_BYTES_MAX = 512 * 1024;
const BLOCKS_MAX = KEPT_BYTES_MAX / KEPT_BLOCK_BYTES;

/** What has come of one stream, until it is released. A stream that grows too long, or finds all blocks in use, is not kept at all. */
export class KeptStream {
  private blocks: Buffer[] = [];
  /** Bytes in the last block. */
  private filled = KEPT_BLOCK_BYTES;
  private isKeeping = true;

  constructor(private readonly stock: KeptBlocks) {}

  push(chunk: Buffer): void {
    let from = 0;
    while (this.isKeeping && from < chunk.length) {
      if (this.filled === KEPT_BLOCK_BYTES && !this.addBlock()) return this.release();
      const copied = chunk.copy(this.blocks[this.blocks.length - 1] as Buffer, this.filled, from);
      this.filled += copied;
      from += copied;
    }
  }

  /** A copy of all that came, or null if it is not kept. */
  bytes(): Buffer | null {
    if (!this.isKeeping) return null;
    const unfilled = KEPT_BLOCK_BYTES - this.filled;
    return Buffer.concat(this.blocks, this.blocks.length * KEPT_BLOCK_BYTES - unfilled);
  }

  /** Gives the blocks back; nothing is kept from here on. */
  release(): void {
    this.isKeeping = false;
    this.stock.give(this.blocks);
    this.blocks = [];
  }

  private addBlock(): boolean {
    const block = this.blocks.length < BLOCKS_MAX ? this.stock.take() : null;
    if (block === null) return false;
    this.blocks.push(block);
    this.filled = 0;
    return true;
  }
}
