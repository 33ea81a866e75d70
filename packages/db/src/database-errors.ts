/**
 * Prisma's codes for a server that is away, too slow, or has no connection left, and for a transaction that gave way to another
 * (https://www.prisma.io/docs/orm/reference/error-reference).
 */
const UNAVAILABLE_CODES = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2034', 'P2037']);
/** What a driver adapter says of the same inside other errors. */
const UNAVAILABLE_KINDS = new Set([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'TooManyConnections',
  'SocketTimeout',
  'TransactionWriteConflict',
]);
/**
 * PostgreSQL: connection exceptions, no connection left, cancelled by timeout, shutting down; serialization failure and deadlock,
 * which undo one transaction so that another goes on (Appendix A of its manual).
 */
const UNAVAILABLE_SQLSTATE = /^(08...|53300|57014|57P0[123]|40001|40P01)$/;
/** pg itself, with no code, where the connection broke inside a transaction. */
const UNAVAILABLE_MESSAGE =
  /connection error and is not queryable|Connection terminated|timeout exceeded when trying to connect/;
const UNIQUE_VIOLATION = 'P2002';

interface PrismaError {
  code?: unknown;
  message?: unknown;
  meta?: { driverAdapterError?: { cause?: { kind?: unknown; originalCode?: unknown } } };
}

/** True for a violated unique constraint. */
export function isUniqueViolation(err: unknown): boolean {
  return toPrismaError(err).code === UNIQUE_VIOLATION;
}

/** True when the database could not be asked, or gave this transaction up for another: the same request may succeed later. */
export function isDatabaseUnavailable(err: unknown): boolean {
  const { code, message, meta } = toPrismaError(err);
  const { kind, originalCode } = meta?.driverAdapterError?.cause ?? {};
  return (
    UNAVAILABLE_CODES.has(String(code)) ||
    UNAVAILABLE_KINDS.has(String(kind)) ||
    UNAVAILABLE_SQLSTATE.test(String(originalCode)) ||
    UNAVAILABLE_MESSAGE.test(String(message))
  );
}

function toPrismaError(err: unknown): PrismaError {
  return typeof err === 'object' && err !== null ? err : {};
}
