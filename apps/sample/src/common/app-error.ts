/** An error of the app itself, with the status and body of its response. The library's errors have their own classes. */
export class AppError extends Error {
  readonly status: number;
  readonly body: { code: number; msg: string; data: unknown; success: false; error: string };
  readonly headers: Record<string, string>;

  constructor(
    status: number,
    error: string,
    msg: string,
    {
      code = status,
      data = null,
      headers = {},
    }: { code?: number; data?: unknown; headers?: Record<string, string> } = {},
  ) {
    super(msg);
    this.name = new.target.name;
    this.status = status;
    this.body = { code, msg, data, success: false, error };
    this.headers = headers;
  }
}

/** The request is invalid. `msg` names the field, never its value. */
export class BadRequestError extends AppError {
  constructor(msg: string) {
    super(400, 'ERR_BAD_REQUEST', msg);
  }
}

/** No valid token, session or account. Clients log in again. */
export class UnauthorizedError extends AppError {
  constructor() {
    super(401, 'ERR_WECHAT_SESSION', 'unauthorized', {
      code: 1000,
      headers: { 'WWW-Authenticate': 'Bearer' },
    });
  }
}

/** The session or token is valid, but its account was deleted. */
export class AccountDeletedError extends UnauthorizedError {}

/** The token is valid, but its scope does not include the route. */
export class ScopeError extends AppError {
  constructor() {
    super(403, 'ERR_SCOPE', 'a token of scope phone can only read the account');
  }
}

/** Does not exist, or belongs to another user. A client cannot tell which. */
export class NotFoundError extends AppError {
  constructor(msg = 'not found') {
    super(404, 'ERR_NOT_FOUND', msg);
  }
}

/** No account has this number. The ticket registers it. */
export class NotRegisteredError extends AppError {
  constructor(phoneNumber: string, registrationTicket: string) {
    super(404, 'ERR_NOT_REGISTERED', 'not registered', {
      data: { phoneNumber, registrationTicket },
    });
  }
}

/** Another account has the number. */
export class PhoneTakenError extends AppError {
  constructor() {
    super(409, 'ERR_PHONE_TAKEN', 'phone in use');
  }
}

/** The client has reached a limit of this app. */
export class TooManyRequestsError extends AppError {
  /** @param retryAfterMs milliseconds */
  constructor(retryAfterMs: number) {
    super(429, 'ERR_WECHAT_RATE_LIMIT', 'too many requests', {
      headers: { 'Retry-After': String(wholeSeconds(retryAfterMs)) },
    });
  }
}

/** Rounds up to whole seconds, at least one. */
export function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

/** The database, or another service that the app depends on, is unavailable now. */
export class UnavailableError extends AppError {
  constructor(msg: string) {
    super(503, 'ERR_STORE_UNAVAILABLE', msg, { headers: { 'Retry-After': '1' } });
  }
}
