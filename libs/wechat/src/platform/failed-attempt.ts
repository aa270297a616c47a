import type { TransportError, TransportFailure } from '../transport/transport-error.js';
import { WechatResponseError, WechatUnavailableError } from '../wechat.errors.js';
import type { WechatError } from '../wechat.errors.js';

/** Whether a call may be repeated. `single-use`: WeChat may have used up the code, so a request that may have arrived is not repeated. */
export type RetryRule = 'single-use' | 'idempotent';

/**
 * Why an attempt failed:
 * - `unsent`: no connection was made
 * - `lost`: the request was sent, and there is no complete response
 * - `busy`: HTTP 5xx or errcode -1
 * - `invalid`: the response violates the protocol
 * - `refused`: any other errcode or HTTP status
 */
export type Failure = 'unsent' | 'lost' | 'busy' | 'invalid' | 'refused';

/**
 * An attempt without a result. `error` is thrown if no further attempt is allowed. `noResponse` says why there was no response,
 * such as `no connection (ECONNREFUSED)`, and is absent if there was one.
 */
export class FailedAttempt extends Error {
  constructor(
    readonly failure: Failure,
    readonly error: WechatError,
    readonly noResponse?: string,
  ) {
    super(error.message);
  }
}

/** The maximum number of retries after each failure. */
const MAX_RETRIES: Record<RetryRule, Record<Failure, number>> = {
  'single-use': { unsent: 1, busy: 1, lost: 0, invalid: 0, refused: 0 },
  idempotent: { unsent: 2, busy: 2, lost: 1, invalid: 1, refused: 0 },
};
const FAILURE_OF: Record<TransportFailure, Failure> = {
  unsent: 'unsent',
  timeout: 'lost',
  lost: 'lost',
  'too-large': 'invalid',
  malformed: 'invalid',
};

/** What an error says about an attempt. `ms` is the time until now. */
export type CallInfo = { endpoint: string; attempt: number; readonly ms: number };

/**
 * Returns the milliseconds until the next attempt. The jitter keeps instances from retrying together.
 * @returns `undefined` if no further attempt is allowed
 */
export function delayOf(failure: Failure, retry: RetryRule, attempt: number): number | undefined {
  if (attempt > MAX_RETRIES[retry][failure]) return undefined;
  if (failure !== 'busy') return 0;
  return retry === 'single-use'
    ? 100 + Math.random() * 200
    : Math.random() * Math.min(200 * 2 ** (attempt - 1), 2000);
}

/** Converts the error of a request without a usable response. */
export function withoutResponse(
  { failure, message, cause }: TransportError,
  info: CallInfo,
): FailedAttempt {
  return FAILURE_OF[failure] === 'invalid'
    ? invalid('a malformed or too large response', info)
    : new FailedAttempt(
        FAILURE_OF[failure],
        new WechatUnavailableError(`WeChat did not respond: ${message}.`, { ...info, cause }),
        message,
      );
}

/** The error of a response that the protocol of WeChat does not allow. */
export function invalid(
  what: string,
  info: CallInfo & { rid?: string },
  failure: Failure = 'invalid',
): FailedAttempt {
  return new FailedAttempt(
    failure,
    new WechatResponseError(
      `${info.endpoint} returned ${what}, which its protocol does not allow.`,
      info,
    ),
  );
}
