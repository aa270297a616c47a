import { AppError } from '../common/app-error.js';

/** WeChat does not pass the name. */
export class ContentRefusedError extends AppError {
  constructor() {
    super(400, 'ERR_CONTENT_REFUSED', 'WeChat refuses this name; choose another');
  }
}

/** The file is shared only after WeChat, or a person, has passed it. */
export class ContentCheckingError extends AppError {
  constructor() {
    super(409, 'ERR_CONTENT_CHECKING', 'the file is not checked yet; try again later');
  }
}

/** WeChat cannot check the file, so it is never shared. */
export class ContentUnsupportedError extends AppError {
  constructor() {
    super(
      409,
      'ERR_CONTENT_UNSUPPORTED',
      "WeChat cannot check this file; record with format: 'mp3', at most 10 MB",
    );
  }
}

/** WeChat, or a person, has blocked the file. */
export class ContentBlockedError extends AppError {
  constructor() {
    super(403, 'ERR_CONTENT_BLOCKED', 'the file is blocked');
  }
}
