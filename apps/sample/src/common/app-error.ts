/** How the app itself refuses, in the words of the contract. Errors of the library have their own classes and answers. */
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
    super(403, 'ERR_SCOPE', 'the token of an account that is not linked may only read it');
  }
}

/** Not there, or not this user's: from outside the same. */
export class NotFoundError extends AppError {
  constructor(msg = 'not found') {
    super(404, 'ERR_NOT_FOUND', msg);
  }
}

/** The number is another account's. */
export class PhoneTakenError extends AppError {
  constructor() {
    super(409, 'ERR_PHONE_TAKEN', 'phone in use');
  }
}

/** Something that this app needs cannot answer now. */
export class UnavailableError extends AppError {
  constructor(msg: string) {
    super(503, 'ERR_STORE_UNAVAILABLE', msg, { headers: { 'Retry-After': '1' } });
  }
}
