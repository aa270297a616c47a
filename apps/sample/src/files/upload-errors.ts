import { AppError } from '../common/app-error.js';

/** The file has a type that the route does not take, or the body is not a form. */
export class UnsupportedMediaTypeError extends AppError {
  constructor(msg: string) {
    super(415, 'ERR_BAD_REQUEST', msg);
  }
}

export class TooLargeError extends AppError {
  constructor(maxBytes: number) {
    super(413, 'ERR_BAD_REQUEST', `the file is larger than ${maxBytes / 1024 / 1024} MB`);
  }
}

/** The app closes while a file is being received. `Connection: close` makes Node close the connection after the response. */
export class UploadAbortedError extends AppError {
  constructor() {
    super(503, 'ERR_STORE_UNAVAILABLE', 'the service is shutting down; try again shortly', {
      headers: { 'Retry-After': '1', Connection: 'close' },
    });
  }
}
