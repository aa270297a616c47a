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
