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
