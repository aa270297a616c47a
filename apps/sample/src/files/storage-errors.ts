import { AppError } from '../common/app-error.js';

interface Unavailable {
  /** What is wrong and what to do, for the log. It contains no secret. */
  reason?: string;
  /** @default 'stored' */
  cannotBe?: 'stored' | 'read';
  /** Seconds. @default 1 */
  retryAfter?: number;
}

/** Files cannot be stored or read now. The same request may succeed later. */
export class StorageUnavailableError extends AppError {
  readonly reason: string | undefined;

  constructor({ reason, cannotBe = 'stored', retryAfter = 1 }: Unavailable = {}) {
    super(503, 'ERR_STORE_UNAVAILABLE', `files cannot be ${cannotBe} now; try again later`, {
      headers: { 'Retry-After': String(retryAfter) },
    });
    this.reason = reason;
  }

  /** For the log. */
  toJSON(): object {
    return { reason: this.reason };
  }
}

/** An error of the file system is 503, not 500: the same request may succeed later. Other errors are returned as they are. */
export function storageErrorOf(error: unknown): unknown {
  const { code, syscall, path = '' }: Partial<NodeJS.ErrnoException> = Object(error);
  if (syscall === undefined) return error;
  return new StorageUnavailableError({ reason: `${syscall} failed with ${code}: ${path}` });
}

/** The database has a row for the file, and the store does not have the file. */
export class FileMissingError extends AppError {
  constructor() {
    super(410, 'ERR_FILE_MISSING', 'the file of this recording is missing; it may come back');
  }
}
