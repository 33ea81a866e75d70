/** Pieces that are not joined yet: as many as the largest body has when its pieces are of the usual 64 kB. */
const LOOSE_MAX = 512;

/**
 * A body as it comes. Small pieces are joined now and then, so that one which comes in single bytes does not take a hundred times
 * its length; each byte is copied once for that, and once more for the whole.
 */
export class BodyPieces {
  bytes = 0;
  private joined: Buffer[] = [];
  private loose: Buffer[] = [];

  get count(): number {
    return this.joined.length + this.loose.length;
  }

  push(piece: Buffer): void {
    this.bytes += piece.length;
    this.loose.push(piece);
    if (this.loose.length < LOOSE_MAX) return;
    this.joined.push(Buffer.concat(this.loose));
    this.loose = [];
  }

  /** The whole body; nothing is kept of it. */
  take(): Buffer {
    const pieces = [...this.joined, ...this.loose];
    const whole = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, this.bytes);
    this.clear();
    return whole;
  }

  clear(): void {
    this.bytes = 0;
    this.joined = [];
    this.loose = [];
  }
}
