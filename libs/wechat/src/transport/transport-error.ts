/**
 * How a request failed:
 * - `unsent`: no connection was made, so the server received nothing
 * - `timeout`: the response was not complete in time; the server may have processed the request
 * - `lost`: the connection broke; the server may have processed the request
 * - `too-large`: the body of the response exceeds the limit
 * - `malformed`: the response is not valid HTTP, or its compression is broken
 */
export type TransportFailure = 'unsent' | 'timeout' | 'lost' | 'too-large' | 'malformed';

/** The error of a request without a complete response. Its message contains no part of the URL, because WeChat's URLs contain secrets. */
export class TransportError extends Error {
  constructor(
    readonly failure: TransportFailure,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
