import { expect, it } from '@jest/globals';
import { isRowFault } from './booking-failure.rules.js';

const failure = (code: string) => Object.assign(new Error('x'), { code });

it.each([
  ['a value that does not fit', '22003', true],
  ['a violated check', '23514', true],
  ['a day that our own function makes no partition for', 'P0001', true],
  ['a deadlock', '40P01', false],
  ['a server that is shutting down', '57P01', false],
  ['a full disk', '53100', false],
  ['a connection that was refused', 'ECONNREFUSED', false],
])('%s (%s) may be a row’s fault: %s', (_what, code, expected) => {
  expect(isRowFault(failure(code))).toBe(expected);
});

it('a server that never answered is no row’s fault', () => {
  expect(isRowFault(new Error('Query read timeout'))).toBe(false);
});

it('a value that cannot be written down for PostgreSQL may be a row’s fault', () => {
  // Buffer's own error is of another realm here.
  const write = () => Buffer.alloc(4).writeInt32BE(2 ** 40);
  expect(isRowFault(errorOf(write))).toBe(true);
  expect(isRowFault(new RangeError('no day'))).toBe(true);
});

function errorOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
