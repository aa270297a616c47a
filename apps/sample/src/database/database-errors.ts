import {
  QueryFailedError,
  QueryRunnerAlreadyReleasedError,
  QueryRunnerProviderAlreadyReleasedError,
} from 'typeorm';

const FOREIGN_KEY_VIOLATION = '23503';
const UNIQUE_VIOLATION = '23505';
/** SQLSTATE classes: connection lost, rolled back because of a deadlock, out of resources, shut down or cancelled. */
const UNAVAILABLE = /^(08|40|53|57)/;
/** Node's error codes. They count only with a system call of the network; an error about several addresses has no system call. */
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
/** Errors of `pg` that have no code. */
const PG_TEXTS =
  /^(timeout exceeded when trying to connect|Query read timeout|Connection terminated|Client has encountered a connection error)/;
/** Errors of TypeORM for the next query of a transaction whose connection has ended between two queries. */
const LOST_IN_TRANSACTION = [
  QueryRunnerAlreadyReleasedError,
  QueryRunnerProviderAlreadyReleasedError,
];

/** Another request has inserted the same key. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof QueryFailedError && detailsOf(error).code === UNIQUE_VIOLATION;
}

/** The row that the new row refers to has been deleted. */
export function isForeignKeyViolation(error: unknown): boolean {
  return error instanceof QueryFailedError && detailsOf(error).code === FOREIGN_KEY_VIOLATION;
}

/** The database cannot be reached or refuses work. The same request may succeed in a moment. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (LOST_IN_TRANSACTION.some((each) => error instanceof each)) return true;
  const { code, syscall, message } = detailsOf(error);
  if (NO_CONNECTION.has(code)) return NETWORK.has(syscall);
  return (error instanceof QueryFailedError && UNAVAILABLE.test(code)) || PG_TEXTS.test(message);
}

/** Reads the error of the driver. TypeORM wraps it if it came from a query, and does not if it came from connecting. */
function detailsOf(error: unknown): { code: string; syscall: string; message: string } {
  const { code, syscall, message }: Record<string, unknown> = Object(
    error instanceof QueryFailedError ? error.driverError : error,
  );
  return { code: String(code), syscall: String(syscall), message: String(message) };
}
