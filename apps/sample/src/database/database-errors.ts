import { QueryFailedError } from 'typeorm';

const UNIQUE_VIOLATION = '23505';
const FOREIGN_KEY_VIOLATION = '23503';
/** SQLSTATE classes: connection lost, out of resources, shut down or cancelled. */
const UNAVAILABLE = /^(08|53|57)/;
/** Node's codes, with the syscalls that are the network's; several addresses tried at once have none. */
const NO_CONNECTION = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EPIPE',
  'ENOENT',
]);
const NETWORK = new Set(['connect', 'getaddrinfo', 'read', 'write', 'undefined']);
/** What `pg` says without a code. */
const PG_TEXTS =
  /^(timeout exceeded when trying to connect|Query read timeout|Connection terminated|Client has encountered a connection error)/;

/** The row is there already: somebody else was first. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof QueryFailedError && detailsOf(error).code === UNIQUE_VIOLATION;
}

/** What the row belongs to is gone. */
export function isForeignKeyViolation(error: unknown): boolean {
  return error instanceof QueryFailedError && detailsOf(error).code === FOREIGN_KEY_VIOLATION;
}

/** The database cannot answer now; the same request may succeed in a moment. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const { code, syscall, message } = detailsOf(error);
  if (NO_CONNECTION.has(code)) return NETWORK.has(syscall);
  return (error instanceof QueryFailedError && UNAVAILABLE.test(code)) || PG_TEXTS.test(message);
}

/** Of the driver's error, which TypeORM wraps where it came from a query, and not where it came from connecting. */
function detailsOf(error: unknown): { code: string; syscall: string; message: string } {
  const { code, syscall, message }: Record<string, unknown> = Object(
    error instanceof QueryFailedError ? error.driverError : error,
  );
  return { code: String(code), syscall: String(syscall), message: String(message) };
}
