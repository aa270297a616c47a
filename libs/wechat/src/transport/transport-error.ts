/**
 * How a request failed:
 * - `unsent`: no connection was made, so the server received nothing
 * - `timeout`: the response was not complete in time; the server may have processed the request
 * - `lost`: the connection broke; the server may have processed the request
 * - `too-large`: the body of the response exceeds the limit
 * - `malformed`: the response is not valid HTTP, or its compression is broken
 */
export type TransportFailure = 'unsent' | 'timeout' | 'lost' | 'too-large' | 'malformed';

/** A request without a response. Its text has no part of the URL, because URLs of WeChat carry secrets. */
export class TransportError extends Error {
  constructor(
    readonly failure: TransportFailure,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
