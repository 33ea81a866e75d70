/** One part of a form as a test writes it; `head` replaces the usual one. */
export interface FormPart {
  name: string;
  value: string | Buffer;
  filename?: string;
  head?: string;
}

export const BOUNDARY = '----test-boundary-7MA4YWxkTrZu0gW';
export const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

export function formBody(parts: readonly FormPart[], boundary = BOUNDARY): Buffer {
  const bytes = parts.flatMap(({ name, value, filename, head }) => {
    const file = filename === undefined ? '' : `; filename="${filename}"\r\nContent-Type: application/octet-stream`;
    const lines = head ?? `Content-Disposition: form-data; name="${name}"${file}`;
    return [Buffer.from(`--${boundary}\r\n${lines}\r\n\r\n`), Buffer.from(value), Buffer.from('\r\n')];
  });
  return Buffer.concat([...bytes, Buffer.from(`--${boundary}--\r\n`)]);
}

/** `seconds` of silence as a WAV file: 8 kHz, 16 bits, mono. */
export function silentWav(seconds: number): Buffer {
  const data = Buffer.alloc(Math.round(seconds * 8_000) * 2);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8, 'latin1');
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8_000, 24);
  head.writeUInt32LE(16_000, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}
