/** So many pieces stay as they came: most bodies have one. */
const LOOSE_MAX = 16;
/** Behind those, pieces below this are copied together. */
const SMALL_BYTES = 1024;
const BLOCK_BYTES = 16 * 1024;
const NO_BLOCK = Buffer.alloc(0);

/**
 * A body as it comes. A piece takes memory besides its bytes, so small ones are copied together: a body that comes in single bytes takes
 * hardly more than its length.
 */
export class BodyPieces {
  bytes = 0;
  private pieces: Buffer[] = [];
  private block = NO_BLOCK;
  /** What is copied since the last piece was closed lies between the two. */
  private start = 0;
  private filled = 0;

  get count(): number {
    return this.pieces.length + (this.filled > this.start ? 1 : 0);
  }

  push(piece: Buffer): void {
    this.bytes += piece.length;
    if (this.pieces.length >= LOOSE_MAX && piece.length < SMALL_BYTES) return this.copy(piece);
    this.closeCopied();
    this.pieces.push(piece);
  }

  /** The whole body; nothing is kept of it. */
  take(): Buffer {
    this.closeCopied();
    const { pieces } = this;
    const whole = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, this.bytes);
    this.clear();
    return whole;
  }

  clear(): void {
    this.bytes = 0;
    this.pieces = [];
    this.block = NO_BLOCK;
    this.start = 0;
    this.filled = 0;
  }

  private copy(piece: Buffer): void {
    if (this.block.length - this.filled < piece.length) {
      this.closeCopied();
      this.block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.start = 0;
      this.filled = 0;
    }
    this.filled += piece.copy(this.block, this.filled);
  }

  private closeCopied(): void {
    if (this.filled > this.start) this.pieces.push(this.block.subarray(this.start, this.filled));
    this.start = this.filled;
  }
}
