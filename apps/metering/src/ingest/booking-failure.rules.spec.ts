import { expect, it } from '@jest/globals';
import { dates, integers } from '@tensorloop/db/binary-arrays';
import { isRowFault, isTooSlow } from './booking-failure.rules.js';

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
  expect(isRowFault(errorOf(() => integers([2 ** 40])))).toBe(true);
  expect(isRowFault(errorOf(() => dates(['no day'])))).toBe(true);
});

it.each([TypeError, RangeError])('a mistake of our own (%p) is no row’s fault', (Mistake) => {
  expect(isRowFault(new Mistake('x is not a function'))).toBe(false);
});

it.each([
  ['a statement that took too long', failure('57014'), true],
  ['a server that never answered', new Error('Query read timeout'), true],
  ['a server that is shutting down', failure('57P01'), false],
  ['a value that does not fit', failure('22003'), false],
  ['no error', 'Query read timeout', false],
])('%s may be for the size of the batch: %#', (_what, error, expected) => {
  expect(isTooSlow(error)).toBe(expected);
  expect(isRowFault(error)).toBe(error instanceof Error && 'code' in error && error.code === '22003');
});

function errorOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
