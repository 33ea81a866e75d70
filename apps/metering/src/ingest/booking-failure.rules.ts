/**
 * SQLSTATE classes that a row can be to blame for: 22 data exception, 23 integrity constraint, 54 program limit exceeded
 * (PostgreSQL manual, appendix A). Everything else is the database's state and passes: connection, deadlock, shutdown.
 */
const ROW_FAULT_CLASSES = new Set(['22', '23', '54']);
/** What our own functions and triggers raise: no partition for such a day, a ledger transaction that does not sum to zero. */
const RAISED_BY_US = 'P0001';
/** Of packages/db/binary-arrays. By name, which survives two copies of the package in one process. */
const ENCODING_ERROR = 'ArrayEncodingError';
const SQLSTATE = /^[0-9A-Z]{5}$/;

/** Whether one of the batch's rows may be the cause, so that looking for it makes sense. */
export function isRowFault(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : null;
  if (code !== null && SQLSTATE.test(code)) return code === RAISED_BY_US || ROW_FAULT_CLASSES.has(code.slice(0, 2));
  // A value that has no binary form. Any other error of JavaScript's is a mistake in our code: no reason to give an event up.
  return error instanceof Error && error.name === ENCODING_ERROR;
}

/** PostgreSQL ended a statement that took longer than statement_timeout. */
const QUERY_CANCELED = '57014';
/** The driver's own words where the server said nothing at all within query_timeout; the error has no code. */
const SILENCE = 'Query read timeout';

/** Whether the batch may have been more than the database can do in time, so that less of it may go through. */
export function isTooSlow(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return 'code' in error ? error.code === QUERY_CANCELED : error.message === SILENCE;
}
