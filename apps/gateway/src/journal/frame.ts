import { crc32 } from 'node:zlib';

/**
 * One journal record on disk: length of the payload (u32 LE), CRC-32 of type and payload (u32 LE), type (u8), payload (JSON).
 * A torn write leaves a frame whose length or checksum does not hold; everything from there to the end of its file is ignored.
 */
export const FRAME_HEADER_BYTES = 9;
/** No record is longer; a length above this is garbage and not an allocation. */
export const PAYLOAD_BYTES_MAX = 64 * 1024;

export const RECORD_TYPES = { accepted: 1, progress: 2, completed: 3, acked: 4 } as const;
export type RecordType = keyof typeof RECORD_TYPES;

const NAMES = new Map<number, RecordType>(Object.entries(RECORD_TYPES).map(([name, code]) => [code, name as RecordType]));

export interface Frame {
  type: RecordType;
  payload: string;
  /** Offset of the payload in the bytes that were read. */
  payloadOffset: number;
  payloadBytes: number;
}

/** Throws RangeError for a payload that could not be read back. */
export function encodeFrame(type: RecordType, payload: string): Buffer {
  const length = Buffer.byteLength(payload);
  if (length > PAYLOAD_BYTES_MAX) throw new RangeError(`journal record of ${length} bytes exceeds ${PAYLOAD_BYTES_MAX}`);
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
  frame.writeUInt32LE(length, 0);
  frame[8] = RECORD_TYPES[type];
  frame.write(payload, FRAME_HEADER_BYTES);
  frame.writeUInt32LE(crc32(frame.subarray(8)), 4);
  return frame;
}

/** The whole records at the start of `bytes`, up to the first that does not hold. */
export function decodeFrames(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  while (at + FRAME_HEADER_BYTES <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    const end = at + FRAME_HEADER_BYTES + length;
    if (length > PAYLOAD_BYTES_MAX || end > bytes.length) break;
    const type = NAMES.get(bytes[at + 8] as number);
    if (type === undefined || crc32(bytes.subarray(at + 8, end)) !== bytes.readUInt32LE(at + 4)) break;
    const payloadOffset = at + FRAME_HEADER_BYTES;
    frames.push({ type, payload: bytes.toString('utf8', payloadOffset, end), payloadOffset, payloadBytes: length });
    at = end;
  }
  return frames;
}
