import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { Credentials } from './credentials.service.js';

describe('credential references', () => {
  it('to the environment are resolved there and nowhere else', () => {
    const credentials = new Credentials((name) => (name === 'OPENAI_API_KEY' ? 'secret' : undefined));
    expect(credentials.resolve('env:OPENAI_API_KEY')).toBe('secret');
    expect(credentials.resolve('env:ABSENT')).toBeNull();
  });

  it('to a file give its content without the final newline', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tensorloop-secret-'));
    writeFileSync(join(folder, 'key'), 'secret\n');
    const credentials = new Credentials(() => undefined);
    expect(credentials.resolve(pathToFileURL(join(folder, 'key')).href)).toBe('secret');
    expect(credentials.resolve(pathToFileURL(join(folder, 'absent')).href)).toBeNull();
    rmSync(folder, { recursive: true });
  });
});
