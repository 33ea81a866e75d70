const FRAME = 'data: ';
const DONE = 'data: [DONE]';
/** A chunk with text of the answer in it; the one that names the role has none, and the one that ends the choice no content. */
const CONTENT = /"content": ?"[^"]/;
/** An unfinished line beyond this is no event of ours; it is dropped, and its stream is short of a frame. */
const REST_CHARACTERS_MAX = 64 * 1024;

export interface FoundFrames {
  /** Every event, `[DONE]` too. */
  frames: number;
  /** Those among them that carry content. */
  contents: number;
  isDone: boolean;
}

/**
 * Finds the frames of one stream in what its socket gives, in whatever pieces. Lines are looked at, not HTTP's chunks: a frame
 * counts when it has come whole.
 */
export class FrameReader {
  private rest = '';

  read(bytes: Buffer): FoundFrames {
    const found: FoundFrames = { frames: 0, contents: 0, isDone: false };
    const text = this.rest + bytes.toString('latin1');
    let from = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      if (text.startsWith(FRAME, from)) {
        found.frames++;
        const line = text.slice(from, end);
        if (line.startsWith(DONE)) found.isDone = true;
        else if (CONTENT.test(line)) found.contents++;
      }
      from = end + 1;
    }
    this.rest = text.length - from > REST_CHARACTERS_MAX ? '' : text.slice(from);
    return found;
  }
}

/** When what of one stream came. */
export class StreamClock {
  firstTokenMs: number | null = null;
  /** Between one content chunk and the next, so always one fewer than there were; those that came together are 0 apart. */
  readonly gapsMs: number[] = [];
  frames = 0;
  stalls = 0;
  isDone = false;
  private frameAtMs = 0;
  private contentAtMs = 0;

  constructor(
    private readonly sentAtMs: number,
    private readonly stallMs: number,
  ) {}

  /** The frames that end a stream follow the last chunk at once: their gap is no pace, but a wait for them is a stall. */
  note({ frames, contents, isDone }: FoundFrames, nowMs: number): void {
    if (frames === 0) return;
    if (this.frames > 0 && nowMs - this.frameAtMs > this.stallMs) this.stalls++;
    this.frameAtMs = nowMs;
    this.frames += frames;
    this.isDone ||= isDone;
    for (let content = 0; content < contents; content++) this.noteContent(nowMs);
  }

  private noteContent(nowMs: number): void {
    if (this.firstTokenMs === null) this.firstTokenMs = nowMs - this.sentAtMs;
    else this.gapsMs.push(nowMs - this.contentAtMs);
    this.contentAtMs = nowMs;
  }
}
