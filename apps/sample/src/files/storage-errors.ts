import { AppError } from '../common/app-error.js';

/** The upload folder cannot take a file now. The same request may succeed later. */
export class StorageUnavailableError extends AppError {
  constructor(
    msg = 'files cannot be stored now; try again later',
    headers: Record<string, string> = { 'Retry-After': '1' },
  ) {
    super(503, 'ERR_STORE_UNAVAILABLE', msg, { headers });
  }
}

/** The app closes while a file is being received. `Connection: close` makes Node close the connection after the response. */
export class UploadAbortedError extends StorageUnavailableError {
  constructor() {
    super('the service is shutting down; try again shortly', {
      'Retry-After': '1',
      Connection: 'close',
    });
  }
}

/** The database has a row for the file, and the upload folder does not have the file. */
export class FileMissingError extends AppError {
  constructor() {
    super(410, 'ERR_FILE_MISSING', 'the file of this recording is missing; it may come back');
  }
}
