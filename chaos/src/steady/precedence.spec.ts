import { spawn } from 'node:child_process';
import { getPriority } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { goFirst } from './precedence.js';

describe('precedence', () => {
  it('is had by a process where this user may give it, and else is said not to be had', () => {
    const child = spawn('sleep', ['30']);
    try {
      const pid = child.pid as number;
      expect(goFirst(pid)).toBe(getPriority(pid) < 0);
    } finally {
      child.kill();
    }
  });

  it('is not had by a process that does not exist', () => {
    expect(goFirst(2 ** 30)).toBe(false);
  });
});
